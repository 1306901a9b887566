"""What all reports have in common: who may read them, which months, their page and their CSV."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from billing import currencies
from billing.documents.exports import csv_file
from billing.documents.exports.cells import Row
from billing.models import Seller
from billing.selectors.reports.months import Months, earlier
from hosting.charts import units
from hosting.charts.geometry import Chart, Line, Point
from hosting.views import charting

SEEN_BY = "billing.view_invoice"
MOST_MONTHS = 36
_TABS = (
    ("Revenue", "billing_report_revenue", SEEN_BY),
    ("Recurring revenue", "billing_report_mrr", SEEN_BY),
    ("Receivables", "billing_report_receivables", SEEN_BY),
    ("VAT", "billing_report_vat", SEEN_BY),
    ("Margin", "billing_report_margin", "billing.view_margin"),
)


def see(request: HttpRequest, permission: str = SEEN_BY) -> None:
    """Refuse whoever may not read it."""
    if not request.user.has_perm(permission):
        raise PermissionDenied


def zone() -> ZoneInfo:
    """Whose clock cuts months and days."""
    seller = Seller.objects.only("timezone").first()
    return ZoneInfo(seller.timezone if seller else "UTC")


def today(at: ZoneInfo) -> date:
    """The day that it is there."""
    return timezone.now().astimezone(at).date()


def months_asked_for(request: HttpRequest, *, many: int = 12) -> Months:
    """From one month to another, both included; else the last ones. What can't be is said."""
    place = zone()
    this = timezone.now().astimezone(place).date().replace(day=1)
    usual = Months(earlier(this, many - 1), this, place)
    try:
        first = _month(request, "from", usual.first)
        last = _month(request, "to", usual.last)
    except ValueError:
        messages.error(request, "Write a month like 2026-03.")
        return usual
    if not first <= last or first < earlier(last, MOST_MONTHS - 1):
        text = f"Choose a first month that is not after the last, and {MOST_MONTHS} at the most."
        messages.error(request, text)
        return usual
    return Months(first, last, place)


def _month(request: HttpRequest, name: str, usual: date) -> date:
    asked = request.GET.get(name, "").strip()
    found = date.fromisoformat(f"{asked}-01") if asked else usual
    if found.year < 2000 or found.year > 9000:
        raise ValueError(asked)
    return found


def show(request: HttpRequest, *, title: str, name: str, **context: Any) -> HttpResponse:
    """The page; ``context`` has its form, tables and charts."""
    tabs = [
        (text, reverse(f"admin:{page}"), page == name)
        for text, page, permission in _TABS
        if request.user.has_perm(permission)
    ]
    everything: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": title,
        "tabs": tabs,
        "csv": with_query(request, csv="1"),
        **context,
    }
    return TemplateResponse(request, "admin/billing/report.html", everything)


def is_csv(request: HttpRequest) -> bool:
    """Whether the address asks for the file."""
    return "csv" in request.GET


def csv_answer(name: str, head: Sequence[str], rows: Iterable[Row]) -> HttpResponse:
    """The table as a file for spreadsheets."""
    answer = StreamingHttpResponse(csv_file.written(head, rows), content_type="text/csv")
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer  # type: ignore[return-value]  # as good as one, wherever it goes


def with_query(request: HttpRequest, **more: str) -> str:
    """This page's address with something else in its query."""
    query = request.GET.copy()
    for key, value in more.items():
        query[key] = value
    return f"?{query.urlencode()}"


def in_decimals(amount: Decimal, currency: str) -> Decimal:
    """With the currency's decimals."""
    return currencies.rounded(amount, currencies.exponent(currency))


def month_chart(
    *,
    slug: str,
    title: str,
    currency: str,
    months: Months,
    lines: Sequence[tuple[str, dict[date, Decimal]]],
    kind: Any = "bars",
    note: str = "",
) -> charting.ShownChart:
    """Amounts month by month. Bars have no room under zero: what is negative is left out there."""
    return charting.show(
        Chart(
            slug=slug,
            title=title,
            unit=units.money(currency, currencies.exponent(currency)),
            kind=kind,
            lines=[
                Line(
                    label,
                    [
                        Point(
                            datetime.combine(month, time(), tzinfo=months.zone),
                            max(0.0, float(values.get(month, Decimal(0)))),
                        )
                        for month in months.each()
                    ],
                )
                for label, values in lines
            ],
            since=months.begins_at,
            until=months.ends_at,
            step=timedelta(days=28),
            zone=months.zone,
            note=note,
        )
    )
