"""How available an instance was, month by month, and what that gives back of its price."""

from __future__ import annotations

from datetime import datetime, timedelta

from hosting.admin.building.tables import NUMBER, Column, Table
from hosting.models import Instance
from hosting.selectors.watching import availability
from hosting.selectors.watching.availability import Availability
from tenants.display import span

MONTHS = 6  # on the instance's page


def of_instance(instance: Instance, *, now: datetime) -> Table:
    """By the months of its client, the one that goes on first. One query."""
    today = instance.client.clock.day_at(now)
    found = availability.months_of(instance, today=today, most=MONTHS)
    return Table(_COLUMNS, found, empty="Nobody has looked at it yet.")


def _available(each: Availability) -> str:
    return "–" if each.availability is None else f"{each.availability:.3f} %"


def _lasted(seconds: int) -> str:
    return span(timedelta(seconds=seconds)) if seconds else "–"


def _credit(each: Availability) -> str:
    return f"{each.credit_percent.normalize():f} % of its price" if each.credit_percent else "–"


_COLUMNS = (
    Column("Month", lambda each: f"{each.month:%b %Y}"),
    Column("Available", _available, NUMBER),
    Column("Away", lambda each: _lasted(each.stretch.down_seconds), NUMBER),
    Column("Not counted", lambda each: _lasted(each.stretch.excused_seconds), NUMBER),
    Column("Credit", _credit, NUMBER),
)
