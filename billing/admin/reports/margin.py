"""What clients and instances bring beside what they cost."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing.admin.reports import page
from billing.currencies import said
from billing.documents.exports.cells import Row
from billing.selectors.reports.months import earlier
from billing.services.reporting import lowest_margins, margins
from billing.services.reporting.lowest_margins import MOST, Lowest
from billing.services.reporting.margins import Margin, OfServer
from hosting.admin.building.tables import NUMBER, Column, Table, link
from tenants.display import badge

NAME = "billing_report_margin"
PANEL = "billing_report_margin_panel"
SEEN_BY = "billing.view_margin"
FEW = 10  # rows of each on the fleet's page


def view(request: HttpRequest) -> HttpResponse:
    """A month's margins, the lowest first; of one client where one is named."""
    page.see(request, SEEN_BY)
    zone = page.zone()
    month, client = _month_asked_for(request, page.today(zone)), _client(request)
    if page.is_csv(request):
        instances = margins.of_month(month, zone=zone).instances
        rows = (_row(month, e) for e in instances if client in (None, e.client_id))
        return page.csv_answer(f"margin-{month:%Y-%m}", _HEAD, rows)
    found = lowest_margins.of_month(month, zone=zone, client=client)
    return page.show(
        request,
        title="Margin",
        name=NAME,
        month=month,
        fixed=[("client", str(client))] if client else [],
        said=_missing(found),
        note="Revenue of the month's days, invoiced by now, without VAT, less the share of what"
        " servers cost by what is reserved on them. Currencies are not converted.",
        tables=_tables(found, month, of_one=client is not None),
    )


def panel(request: HttpRequest) -> HttpResponse:
    """The lowest margins of the last month, on the fleet's page."""
    page.see(request, SEEN_BY)
    zone = page.zone()
    month = _last_month(page.today(zone))
    found = lowest_margins.of_month(month, zone=zone)
    context = {
        "said": _missing(found),
        "tables": [
            (
                "Clients with the lowest margin",
                Table(_client_columns(month), found.clients[:FEW], empty="Nothing was earned."),
            ),
            (
                "Instances with the lowest margin",
                Table(_INSTANCES, found.instances[:FEW], empty="Nothing was earned."),
            ),
        ],
        "address": reverse(f"admin:{NAME}"),
    }
    return render(request, "admin/billing/margin_panel.html", context)


def _tables(found: Lowest, month: date, *, of_one: bool) -> list[tuple[str, Table]]:
    empty = "Nothing was earned and nothing cost."
    instances = Table(_INSTANCES, found.instances, empty=empty)
    if of_one:
        return [("Instances", instances)]
    more = f", the first {MOST}" if found.many > MOST else ""
    return [
        (
            f"Clients, the lowest first{more}",
            Table(_client_columns(month), found.clients, empty="Nothing was earned."),
        ),
        (f"Instances, the lowest first{more}", instances),
        ("Servers", Table(_SERVERS, found.servers, empty="No server's cost has been entered.")),
    ]


def _missing(found: Lowest) -> SafeString | str:
    """That some servers seem to cost nothing."""
    if not found.without_cost:
        return ""
    return badge(f"No cost was entered for {', '.join(found.without_cost[:5])}", "warn")


def _last_month(today: date) -> date:
    return earlier(today.replace(day=1), 1)


def _month_asked_for(request: HttpRequest, today: date) -> date:
    """The last one where it is none; what can't be is said."""
    text = request.GET.get("month", "").strip()
    try:
        month = date.fromisoformat(f"{text}-01") if text else _last_month(today)
    except ValueError:
        messages.error(request, "Write a month like 2026-03.")
        return _last_month(today)
    if not date(2000, 1, 1) <= month <= today:
        messages.error(request, "Choose a month that is not to come.")
        return _last_month(today)
    return month


def _client(request: HttpRequest) -> uuid.UUID | None:
    text = request.GET.get("client", "")
    try:
        return uuid.UUID(text) if text else None
    except ValueError as error:
        raise Http404("There is no such client.") from error


def _percent(each: Margin) -> str:
    return "–" if each.percent is None else f"{each.percent:.0f} %"


def _left(each: Margin) -> SafeString | str:
    told = said(each.margin, each.currency)
    return format_html('<span class="b-text-bad">{}</span>', told) if each.margin < 0 else told


_AMOUNTS = (
    Column("Revenue", lambda each: said(each.revenue, each.currency), NUMBER),
    Column("Servers", lambda each: said(each.server_cost, each.currency), NUMBER),
    Column("Language models", lambda each: said(each.model_cost, each.currency), NUMBER),
    Column("Margin", _left, NUMBER),
    Column("Of revenue", _percent, NUMBER),
)


def _client_columns(month: date) -> tuple[Column, ...]:
    def leads_to(each: Margin) -> SafeString:
        query = urlencode({"month": f"{month:%Y-%m}", "client": each.client_id})
        address = f"{reverse(f'admin:{NAME}')}?{query}"
        return format_html('<a class="b-link" href="{}">{}</a>', address, each.client)

    return (Column("Client", leads_to), *_AMOUNTS)


_INSTANCES = (
    Column(
        "Instance", lambda each: link(each.instance, "hosting_instance_change", each.instance_id)
    ),
    Column("Client", lambda each: each.client),
    *_AMOUNTS,
)


def _unused_percent(each: OfServer) -> str:
    return f"{100 * each.unused / each.cost:.0f} %" if each.cost else "–"


_SERVERS = (
    Column("Server", lambda each: each.server),
    Column("Cost", lambda each: said(each.cost, each.currency), NUMBER),
    Column("Shared out", lambda each: said(each.cost - each.unused, each.currency), NUMBER),
    Column("Not reserved", lambda each: said(each.unused, each.currency), NUMBER),
    Column("Of its cost", _unused_percent, NUMBER),
)
_HEAD = (
    *("Month", "Client", "Instance", "Currency", "Revenue"),
    *("Servers", "Language models", "Margin"),
)


def _row(month: date, each: Margin) -> Row:
    amounts: Sequence[Decimal] = (each.revenue, each.server_cost, each.model_cost, each.margin)
    return (
        *(f"{month:%Y-%m}", each.client, each.instance, each.currency),
        *(page.in_decimals(amount, each.currency) for amount in amounts),
    )
