"""When an instance was away: its incidents, and what happened to each of them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, timedelta

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from hosting.charts import table
from hosting.models import Incident
from hosting.selectors.watching import availability, incident_timelines
from hosting.selectors.watching.availability import Availability
from hosting.selectors.watching.incident_timelines import Entry
from hosting.views import availability_chart, instances
from hosting.views.charting import show as show_chart
from hosting.views.health import show
from hosting.views.live import SLOW, render_live
from hosting.views.states import Status
from tenants.permissions import Permission
from tenants.views.access import ClientRequest, client_view, render_page

A_PAGE = 50
_LINES: dict[str, Status] = {
    "opened": Status("Opened", "broken", "broken"),
    "noted": Status("Noted", "stopped", "pending"),
    "cause": Status("Cause found", "attention", "attention"),
    "closed": Status("Over", "running", "done"),
    "failing": Status("Failed", "broken", "broken"),
    "well": Status("Well", "running", "running"),
    "told": Status("Told", "stopped", "done"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the timeline."""

    entry: Entry
    status: Status


@dataclass(frozen=True, slots=True)
class Month:
    """How available it was in a month, in words; ``credit`` is empty where none is due."""

    first: date
    is_over: bool
    availability: str
    down: timedelta
    maintenance: timedelta
    credit: str


@require_safe
@client_view(Permission.VIEW_INSTANCES)
def index(request: ClientRequest, name: str) -> HttpResponse:
    """All of them, newest first, and what they came to month by month."""
    instance = instances.get(request, name)
    today = _today(request)
    months = availability.months_of(instance, today=today)
    charted = availability_chart.chart(instance, months)
    pages = Paginator(incident_timelines.of_instance(instance), A_PAGE)
    page = pages.get_page(request.GET.get("page"))
    context = {
        "section": "instances",
        "instance": instance,
        "page": page,
        "incidents": [show(each, timezone.now()) for each in page],
        "months": [_month(each, today) for each in months],
        "charted": show_chart(charted) if charted is not None else None,
    }
    return render_page(request, "hosting/incidents.html", context)


@require_safe
@client_view(Permission.VIEW_INSTANCES)
def availability_csv(request: ClientRequest, name: str) -> HttpResponse:
    """The months behind the chart as a file."""
    instance = instances.get(request, name)
    months = availability.months_of(instance, today=_today(request))
    charted = availability_chart.chart(instance, months)
    if charted is None:
        raise Http404("Nobody has looked at it yet.")
    return HttpResponse(
        table.as_csv(charted),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}-availability.csv"'},
    )


@require_safe
@client_view(Permission.VIEW_INSTANCES)
def page(request: ClientRequest, name: str, incident_id: uuid.UUID) -> HttpResponse:
    """One with its timeline, live while it goes on."""
    instance = instances.get(request, name)
    now = timezone.now()
    try:
        incident = incident_timelines.of_instance(instance).get(pk=incident_id)
    except Incident.DoesNotExist as error:
        raise Http404("There is no such incident.") from error
    shown = show(incident, now)
    entries = incident_timelines.for_client(incident, client=request.client, now=now)
    context = {
        "section": "instances",
        "instance": instance,
        "shown": shown,
        "incident": incident,
        "lines": [Line(each, _LINES[each.kind]) for each in entries],
        "every": SLOW,
    }
    state = (*shown.what_shows(), entries)
    return render_live(request, "hosting/incident.html", context, state=state)


def _today(request: ClientRequest) -> date:
    """By the client's clock."""
    return request.client.clock.day_at(timezone.now())


def _month(found: Availability, today: date) -> Month:
    percent, stretch = found.availability, found.stretch
    credit = found.credit_percent
    return Month(
        first=found.month,
        is_over=found.month < today.replace(day=1),
        availability="" if percent is None else f"{percent:.3f} %",
        down=timedelta(seconds=stretch.down_seconds),
        maintenance=timedelta(seconds=stretch.excused_seconds),
        credit=f"{credit.normalize():f} % of its price" if credit else "",
    )
