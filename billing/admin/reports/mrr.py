"""Recurring revenue at every month's end, and why it is another than the month before."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse

from billing.admin.reports import page
from billing.currencies import said
from billing.documents.exports.cells import Row
from billing.services.reporting import mrr_report
from billing.services.reporting.mrr_report import MonthEnd
from hosting.admin.building.tables import NUMBER, Column, Table, link

NAME = "billing_report_mrr"
MOST_CLIENTS = 50  # on the page; more of them are more than anybody reads there
_MOVES = ("new", "reactivation", "expansion", "contraction", "churn")


def view(request: HttpRequest) -> HttpResponse:
    """Month by month, and client by client for the last of them."""
    page.see(request)
    months = page.months_asked_for(request)
    read = mrr_report.read(until=months.last)
    found = sorted(read.month_ends(months), key=lambda each: (each.currency, each.month))
    if page.is_csv(request):
        return page.csv_answer("recurring-revenue", _HEAD, (_row(each) for each in found))
    clients = read.clients(months.last)
    heading = f"Clients, {months.last:%b %Y}"
    if len(clients) > MOST_CLIENTS:
        heading += f": the first {MOST_CLIENTS} of {len(clients):,}"
    return page.show(
        request,
        title="Recurring revenue",
        name=NAME,
        months=months,
        note="As of each month's last day: prices a month of what runs, without usage, setup, "
        "coupons and VAT. The month that goes on is as of its end, as things stand now.",
        totals=[said(each.amount, each.currency) for each in found if each.month == months.last],
        charts=[
            (
                f"mrr-{currency.lower()}",
                page.month_chart(
                    slug=f"mrr-{currency.lower()}",
                    title=f"Recurring revenue a month, {currency}",
                    currency=currency,
                    kind="line",
                    months=months,
                    lines=[
                        (currency, {e.month: e.amount for e in found if e.currency == currency})
                    ],
                ),
            )
            for currency in sorted({each.currency for each in found})
        ],
        tables=[
            ("", Table(_COLUMNS, found, empty="Nobody has a subscription yet.")),
            (heading, Table(_CLIENTS, clients[:MOST_CLIENTS], empty="Nobody brings anything.")),
        ],
    )


def _amount(name: str) -> Column:
    return Column(
        name.capitalize(), lambda each: _signed(getattr(each.moves, name), each.currency), NUMBER
    )


def _signed(amount: object, currency: str) -> str:
    return said(amount, currency) if amount else "–"  # type: ignore[arg-type]


_COLUMNS = (
    Column("Month", lambda each: f"{each.month:%b %Y}"),
    Column("Before", lambda each: said(each.before, each.currency), NUMBER),
    *(_amount(name) for name in _MOVES),
    Column("At its end", lambda each: said(each.amount, each.currency), NUMBER),
    Column("Clients", lambda each: f"{each.clients:,}", NUMBER),
)
_CLIENTS = (
    Column("Client", lambda each: link(each.client, "tenants_client_change", each.client_id)),
    Column("Before", lambda each: said(each.before, each.currency), NUMBER),
    Column("At its end", lambda each: said(each.amount, each.currency), NUMBER),
    Column("Moved", lambda each: each.kind.capitalize() or "–"),
)
_HEAD: Sequence[str] = (
    *("Month", "Currency", "Before"),
    *(name.capitalize() for name in _MOVES),
    *("At its end", "Clients"),
)


def _row(each: MonthEnd) -> Row:
    moves = [getattr(each.moves, name) for name in _MOVES]
    return (
        f"{each.month:%Y-%m}",
        each.currency,
        *(page.in_decimals(amount, each.currency) for amount in (each.before, *moves, each.amount)),
        each.clients,
    )
