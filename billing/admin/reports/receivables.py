"""What clients owe as of a day, by how long it has been due."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing.admin.reports import page
from billing.currencies import said
from billing.documents.exports.cells import Row
from billing.selectors.reports import receivables
from billing.selectors.reports.receivables import BUCKETS, Owed
from hosting.admin.building.tables import NUMBER, Column, Table, link
from tenants.display import badge

NAME = "billing_report_receivables"
MOST = 500  # invoices of one client on the page


def view(request: HttpRequest) -> HttpResponse:
    """Client by client; of one of them invoice by invoice."""
    page.see(request)
    zone = page.zone()
    today = page.today(zone)
    on = _day_asked_for(request, today)
    client = _client(request)
    if client:
        return _of_client(request, client, on=on, today=today, zone=zone)
    found = receivables.aged(on=on, today=today, zone=zone)
    if page.is_csv(request):
        head = ("As of", "Client", "Currency", "Invoices", *BUCKETS, "Open")
        return page.csv_answer("receivables", head, (_row(on, each) for each in found))
    sums = _sums(found)
    return page.show(
        request,
        title="Receivables",
        name=NAME,
        day=on,
        latest=today,
        note="What was open at the day's end by the seller's clock, by days since it was due.",
        said=_agreed(sums) if on == today else "",
        totals=[said(amounts[-1], currency) for currency, amounts in sums.items()],
        tables=[
            ("By currency", Table(_SUMS, list(sums.items()), empty="Nothing is open.")),
            ("By client", Table(_columns(on), found, empty="Nobody owes anything.")),
        ],
    )


def _of_client(
    request: HttpRequest, client: uuid.UUID, *, on: date, today: date, zone: ZoneInfo
) -> HttpResponse:
    found = receivables.invoices(on=on, today=today, zone=zone, client=client)
    if page.is_csv(request):
        head = ("As of", "Number", "Client", "Issued on", "Due on", "Currency", "Open")
        rows: list[Row] = [
            (
                *(on, each.number, each.client, each.issued_on, each.due_on, each.currency),
                page.in_decimals(each.amount, each.currency),
            )
            for each in found
        ]
        return page.csv_answer("receivables-invoices", head, rows)
    return page.show(
        request,
        title=f"Receivables: {found[0].client}" if found else "Receivables",
        name=NAME,
        day=on,
        latest=today,
        fixed=[("client", str(client))],
        note=f"The first {MOST} of {len(found):,}." if len(found) > MOST else "",
        tables=[("", Table(_invoices(on), found[:MOST], empty="Nothing is open."))],
    )


def _day_asked_for(request: HttpRequest, today: date) -> date:
    """Today where it is none, or not yet; what can't be is said."""
    text = request.GET.get("on", "").strip()
    try:
        on = date.fromisoformat(text) if text else today
    except ValueError:
        messages.error(request, "Write a day like 2026-03-31.")
        return today
    if not date(2000, 1, 1) <= on <= today:
        messages.error(request, "Choose a day that is not to come.")
        return today
    return on


def _client(request: HttpRequest) -> uuid.UUID | None:
    text = request.GET.get("client", "")
    try:
        return uuid.UUID(text) if text else None
    except ValueError as error:
        raise Http404("There is no such client.") from error


def _sums(found: Sequence[Owed]) -> dict[str, tuple[Decimal, ...]]:
    """Each bucket, and all of them, by currency."""
    sums: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * (len(BUCKETS) + 1))
    for each in found:
        amounts = (*each.amounts, each.total)
        known = sums[each.currency]
        sums[each.currency] = [a + b for a, b in zip(known, amounts, strict=True)]
    return {currency: tuple(sums[currency]) for currency in sorted(sums)}


def _agreed(sums: dict[str, tuple[Decimal, ...]]) -> SafeString:
    """Whether the documents and payments give what stands open on the invoices' own rows."""
    books = receivables.in_the_books()
    if {currency: amounts[-1] for currency, amounts in sums.items()} == books:
        return badge("Agrees with the books", "ok")
    told = ", ".join(said(amount, currency) for currency, amount in books.items()) or "nothing"
    return badge(f"The books say {told}", "bad")


def _bucket(number: int, title: str) -> Column:
    return Column(title, lambda row: said(row[1][number], row[0]), NUMBER)


_SUMS = (
    Column("Currency", lambda row: row[0]),
    *(_bucket(number, title) for number, title in enumerate((*BUCKETS, "Open"))),
)


def _columns(on: date) -> list[Column]:
    def leads_to(each: Owed) -> SafeString:
        query = urlencode({"on": on, "client": each.client_id})
        return format_html('<a class="b-link" href="?{}">{}</a>', query, each.client)

    def bucket(number: int, title: str) -> Column:
        def cell(each: Owed) -> str:
            amount = each.amounts[number]
            return said(amount, each.currency) if amount else "–"

        return Column(title, cell, NUMBER)

    return [
        Column("Client", leads_to),
        *(bucket(number, title) for number, title in enumerate(BUCKETS)),
        Column("Open", lambda each: said(each.total, each.currency), NUMBER),
    ]


def _invoices(on: date) -> list[Column]:
    def late(due_on: date) -> str:
        days = (on - due_on).days
        return f"{days} days" if days > 0 else "Not due"

    return [
        Column("Number", lambda each: link(each.number, "billing_invoice_change", each.invoice_id)),
        Column("Issued", lambda each: each.issued_on),
        Column("Due", lambda each: each.due_on),
        Column("Overdue", lambda each: late(each.due_on), NUMBER),
        Column("Open", lambda each: said(each.amount, each.currency), NUMBER),
    ]


def _row(on: date, each: Owed) -> Row:
    amounts = (page.in_decimals(amount, each.currency) for amount in (*each.amounts, each.total))
    return (on, each.client, each.currency, each.invoices, *amounts)
