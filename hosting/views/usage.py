"""What an instance uses, charted: each chart is a part of its own, and fails alone."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from hosting import hooks
from hosting.charts import table
from hosting.charts.geometry import Chart
from hosting.selectors.measuring import resources
from hosting.views import instances
from hosting.views.charting import show
from hosting.views.usage_charts import CHARTS, Reading
from hosting.views.usage_windows import SPANS, Span, Window
from tenants.permissions import Permission
from tenants.views.access import ClientRequest, client_view, render_page

DEFAULT = "day"
SECONDS = {"hour": 15, "day": 60, "week": 300}  # between two questions; others are rarer


@dataclass(frozen=True, slots=True)
class Frame:
    """The place of a chart or panel, which the page has before it comes."""

    slug: str
    title: str
    url: str
    csv: str = ""


@require_safe
@client_view(Permission.VIEW_INSTANCES)
def page(request: ClientRequest, name: str) -> HttpResponse:
    """The page with the places of the charts, which then ask for themselves."""
    instance = instances.get(request, name)
    context = {
        "section": "instances",
        "instance": instance,
        "span": _span(request),
        "spans": SPANS.values(),
        "every": SECONDS.get(_span(request).slug, 900),
        "panels": _panels(request, name),
        "frames": [
            Frame(slug, title, *_addresses(request, name, slug))
            for slug, (title, _) in _charts(request).items()
        ],
        "warnings": resources.open_warnings([instance]).get(instance.pk, []),
    }
    return render_page(request, "hosting/usage.html", context)


@require_safe
@client_view(Permission.VIEW_INSTANCES)
def chart(request: ClientRequest, name: str, slug: str) -> HttpResponse:
    """One chart with the table behind it."""
    drawn = show(_read(request, name, slug))
    context = {
        "shown": drawn,
        "slug": slug,
        "csv": _addresses(request, name, slug)[1],
    }
    return render_page(request, "components/chart.html", context)


@require_safe
@client_view(Permission.VIEW_INSTANCES)
def as_csv(request: ClientRequest, name: str, slug: str) -> HttpResponse:
    """The table as a file."""
    written = table.as_csv(_read(request, name, slug))
    span = _span(request).slug
    return HttpResponse(
        written,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}-{slug}-{span}.csv"'},
    )


def _read(request: ClientRequest, name: str, slug: str) -> Chart:
    instance = instances.get(request, name)
    charts = _charts(request)
    if slug not in charts:
        raise Http404("There is no such chart.")
    _, read = charts[slug]
    return read(Window.until_now(instance, _span(request), timezone.now()))


def _charts(request: ClientRequest) -> dict[str, tuple[str, Reading]]:
    """Those that the member may see, other rooms' after our own."""
    others = [each for each in hooks.usage_charts() if request.may(each.permission)]
    return {**CHARTS, **{each.slug: (each.title, each.read) for each in others}}


def _addresses(request: ClientRequest, name: str, slug: str) -> tuple[str, str]:
    """Of a chart and its file, over the span that is looked at."""
    where = [request.client.slug, name, slug]
    span = _span(request).slug
    chart, written = (reverse(view, args=where) for view in ("usage_chart", "usage_csv"))
    return f"{chart}?span={span}", f"{written}?span={span}"


def _panels(request: ClientRequest, name: str) -> list[Frame]:
    where = [request.client.slug, name]
    return [
        Frame(each.slug, each.title, reverse(each.address, args=where))
        for each in hooks.usage_panels()
        if request.may(each.permission)
    ]


def _span(request: ClientRequest) -> Span:
    """The span that the address names; a day where it names none that there is."""
    return SPANS.get(request.GET.get("span", ""), SPANS[DEFAULT])
