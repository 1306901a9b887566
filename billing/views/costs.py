"""What an instance costs: this month so far, at its end, what that is made of, and past months."""

from __future__ import annotations

import csv
import io
import zoneinfo
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from billing.models import PlanBudget
from billing.selectors import costs, forecasts
from billing.selectors.costs import Part, Spent, next_month
from billing.views import cost_charts
from billing.views.money import say
from billing.views.months import month_asked_for, today_of
from hosting.catalog.meters import LLM_METERS
from hosting.charts.table import harmless
from hosting.models import Instance
from hosting.selectors.measuring import usage
from hosting.views import instances
from hosting.views.charting import ShownChart, show
from hosting.views.usage_windows import SPANS, Window
from tenants.clocks import midnight
from tenants.permissions import Permission
from tenants.views.access import ClientRequest, client_view, render_page

MONTHS = 12  # that the page goes back
COLUMNS = (
    *("begin", "model", "requests", "input_tokens", "cached_tokens", "output_tokens"),
    *("requests_without_rate", "currency", "amount"),
)


@dataclass(frozen=True, slots=True)
class Amount:
    """Of one currency: what was spent, what it will have been at the month's end, the budget.

    ``days`` is of how many whole days the forecast is the average.
    """

    spent: str
    forecast: str
    days: int
    budget: str
    percent: int | None
    is_over: bool  # the forecast is more than the budget


@dataclass(frozen=True, slots=True)
class Line:
    """A model with what it cost, in words; ``share`` is of its currency's whole, in per cent."""

    part: Part
    amount: str
    of_input: str
    of_cached: str
    of_output: str
    share: int | None


@dataclass(frozen=True, slots=True)
class Counted:
    """What else was used in the month, of what the plan includes."""

    title: str
    value: str
    included: str


@dataclass(frozen=True, slots=True)
class Month:
    """A month in the list of them."""

    first: date
    requests: int
    amounts: Sequence[str]
    unpriced: int


@require_safe
@client_view(Permission.VIEW_BILLING)
def page(request: ClientRequest, name: str) -> HttpResponse:
    """The page of a month; for a question of the usage page's own, its part about this month."""
    instance = instances.get(request, name)
    today = today_of(request.client)
    month = month_asked_for(request, today)
    context = {
        "section": "instances",
        "instance": instance,
        "month": month,
        "is_now": month == today.replace(day=1),
        "amounts": _amounts(instance, month, today),
        "lines": _lines(costs.parts(instance, since=month, until=next_month(month))),
        "is_part": bool(request.htmx),
    }
    if request.htmx:
        return render_page(request, "billing/costs.html#summary", context)
    context["counted"] = _counted(instance, month)
    context["months"] = _months(instance, today)
    context["shown"] = _chart(instance, month)
    return render_page(request, "billing/costs.html", context)


@require_safe
@client_view(Permission.VIEW_BILLING)
def as_csv(request: ClientRequest, name: str) -> HttpResponse:
    """A month's days, or the months of a year, by model, with exact amounts."""
    instance = instances.get(request, name)
    today = today_of(request.client)
    if request.GET.get("by") == "month":
        since, until = _first_of_months(today), next_month(today.replace(day=1))
        rows, about = costs.by_month(instance, since=since, until=until), "months"
    else:
        month = month_asked_for(request, today)
        rows = costs.by_day(instance, since=month, until=next_month(month))
        about = f"{month:%Y-%m}"
    return HttpResponse(
        _written(rows),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}-costs-{about}.csv"'},
    )


def _written(rows: Sequence[Spent]) -> str:
    """A row for each currency; one without where nothing has a rate yet."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for each in rows:
        used = (each.requests, each.input, each.cached, each.output, each.unpriced)
        for currency, amount in each.amounts.items() or (("", None),):
            exact = "" if amount is None else f"{amount.normalize():f}"
            writer.writerow([each.begin, harmless(each.model), *used, currency, exact])
    return written.getvalue()


def _amounts(instance: Instance, month: date, today: date) -> list[Amount]:
    """By currency; the budget's, or euros, where nothing was spent."""
    is_now = month == today.replace(day=1)
    since = forecasts.first_day(today=today) if is_now else month
    spent: dict[str, dict[date, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for each in costs.by_day(instance, since=since, until=next_month(month)):
        for currency, amount in each.amounts.items():
            spent[currency][each.begin] += amount
    budget = PlanBudget.objects.filter(plan=instance.plan_id).first()
    if budget is not None:
        spent.setdefault(budget.currency, {})
    return [
        _amount(instance, days, currency, budget, month, today if is_now else None)
        for currency, days in sorted((spent or {"EUR": {}}).items())
    ]


def _amount(
    instance: Instance,
    days: Mapping[date, Decimal],
    currency: str,
    budget: PlanBudget | None,
    month: date,
    today: date | None,
) -> Amount:
    so_far = sum((amount for day, amount in days.items() if day >= month), Decimal(0))
    began = instance.client.clock.day_at(instance.first_running_at or instance.created_at)
    expected = None
    if today:
        until = next_month(month)
        expected = forecasts.at_months_end(days, today=today, began=began, until=until)
    allowed = budget.amount if budget and budget.currency == currency else None
    return Amount(
        spent=say(so_far, currency),
        forecast="" if expected is None else say(expected, currency),
        days=forecasts.whole_days(today=today, began=began) if today else 0,
        budget="" if allowed is None else say(allowed, currency),
        percent=None if allowed is None else int(100 * so_far / allowed),
        is_over=bool(allowed is not None and expected is not None and expected > allowed),
    )


def _lines(parts: Sequence[Part]) -> list[Line]:
    wholes: dict[str, Decimal] = defaultdict(Decimal)
    for part in parts:
        wholes[part.currency] += part.amount or Decimal(0)
    return [_line(part, wholes[part.currency]) for part in parts]


def _line(part: Part, whole: Decimal) -> Line:
    def said(amount: Decimal | None) -> str:
        return "" if amount is None else say(amount, part.currency)

    return Line(
        part=part,
        amount=said(part.amount),
        of_input=said(part.of_input),
        of_cached=said(part.of_cached),
        of_output=said(part.of_output),
        share=round(100 * part.amount / whole) if part.amount and whole else None,
    )


def _counted(instance: Instance, month: date) -> list[Counted]:
    """The app's other meters, which the plan's price covers."""
    meters = usage.meters(instance)
    included = {"executions": instance.plan.included_executions}
    found = usage.months(instance, since=month, until=next_month(month))
    return [
        Counted(
            title=f"{meters[each.meter].title}{f', {each.label}' if each.label else ''}",
            value=f"{each.value.normalize():,f} {meters[each.meter].unit}",
            included=f"of {allowed:,} included" if (allowed := included.get(each.meter)) else "",
        )
        for each in found
        if each.meter not in LLM_METERS
    ]


def _first_of_months(today: date) -> date:
    month = today.replace(day=1)
    for _ in range(MONTHS - 1):
        month = (month - timedelta(days=1)).replace(day=1)
    return month


def _months(instance: Instance, today: date) -> list[Month]:
    """Those in which there was anything, newest first."""
    until = next_month(today.replace(day=1))
    found: dict[date, list[Spent]] = defaultdict(list)
    for each in costs.by_month(instance, since=_first_of_months(today), until=until):
        found[each.begin].append(each)
    return [_one_month(first, rows) for first, rows in sorted(found.items(), reverse=True)]


def _one_month(first: date, rows: Sequence[Spent]) -> Month:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for each in rows:
        for currency, amount in each.amounts.items():
            sums[currency] += amount
    return Month(
        first=first,
        requests=sum(each.requests for each in rows),
        amounts=[say(amount, currency) for currency, amount in sorted(sums.items())],
        unpriced=sum(each.unpriced for each in rows),
    )


def _chart(instance: Instance, month: date) -> ShownChart:
    """The month by day; as far as it has come."""
    zone = zoneinfo.ZoneInfo(instance.client.timezone)
    since, end = midnight(month, zone), midnight(next_month(month), zone)
    last = end - timedelta(seconds=1)
    return show(cost_charts.cost(Window(instance, SPANS["month"], since, last, zone)))
