"""How available an instance was, month by month, as bars beside what its plan promises."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from hosting.charts import units
from hosting.charts.geometry import Chart, Line, Point
from hosting.models import Instance
from hosting.selectors.watching import availability
from hosting.selectors.watching.availability import Availability
from tenants.clocks import midnight

SLUG = "availability"
# Where the axis may begin: it is cut off below, as 99.9 % and 99 % would look alike otherwise.
_BEGINS = (99.0, 98.0, 96.0, 90.0, 80.0, 60.0, 0.0)
_SHORTEST_MONTH = timedelta(days=28)


def chart(instance: Instance, found: Sequence[Availability]) -> Chart | None:
    """Of those months, whatever their order; None where nothing is known of any. No query."""
    known = {
        each.month: float(each.availability) for each in found if each.availability is not None
    }
    if not known:
        return None
    zone = ZoneInfo(instance.client.timezone)
    goal = availability.goal_of(instance.plan)
    begins = _begins(*known.values(), *([] if goal is None else [float(goal)]))
    return Chart(
        slug=SLUG,
        title="Availability by month",
        unit=units.PERCENT,
        kind="bars",
        lines=[
            Line(
                "Available",
                [Point(midnight(month, zone), share) for month, share in sorted(known.items())],
            )
        ],
        since=midnight(min(known), zone),
        until=_after(max(known), zone),
        step=_SHORTEST_MONTH,
        zone=zone,
        limit=None if goal is None else float(goal),
        limit_label="Promised",
        is_limit_in_legend=True,
        least=begins,
        most=100.0,
        note=f"The axis begins at {begins:g} %." if begins else "",
    )


def _begins(*shown: float) -> float:
    """Below everything that is shown, so that each bar can be seen."""
    return next((each for each in _BEGINS if each < min(shown)), 0.0)


def _after(month: date, zone: ZoneInfo) -> datetime:
    """The end of the month."""
    return midnight((month + timedelta(days=32)).replace(day=1), zone)
