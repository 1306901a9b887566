"""Revenue by month, plan or client, and the documents that a sum is of."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from decimal import Decimal
from typing import cast
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing.admin.reports import page
from billing.currencies import said
from billing.documents.exports.cells import Row
from billing.selectors.reports import issued, kept, revenue
from billing.selectors.reports.months import Months
from billing.selectors.reports.revenue import By, Part, Revenue
from hosting.admin.building.tables import NUMBER, Column, Table, link
from hosting.views.charting import ShownChart

NAME = "billing_report_revenue"
MOST_PARTS = 500  # on the page; the file has all
_BY: dict[str, str] = {"month": "Month", "plan": "Plan", "client": "Client"}
_DRAWN = 4  # plans or clients in a chart; the rest is one more
_CUT = (
    "Where more was credited than invoiced there is no bar, and nothing in the sums beside it; the"
    " file has every month."
)
_HEAD = ("Month", "Currency", "Documents", "Invoiced", "Credited", "Net")


def view(request: HttpRequest) -> HttpResponse:
    """What was invoiced, less what was credited."""
    page.see(request)
    months, by = page.months_asked_for(request), _by(request)
    if page.is_csv(request):
        return page.csv_answer(f"revenue-by-{by}", *_file(revenue.revenue(months, by=by), by))
    seen = _seen(months, by)
    return page.show(
        request,
        title="Revenue",
        name=NAME,
        months=months,
        choices=[(value, f"By {text.lower()}", value == by) for value, text in _BY.items()],
        note="Net of VAT and of credit notes, in the month of the issue by the seller's clock.",
        totals=_totals(seen.sums),
        charts=[(shown.chart.slug, shown) for shown in _charts(seen, months)],
        tables=[("", Table(_columns(by, months), seen.rows, empty="Nothing was issued then."))],
    )


def documents(request: HttpRequest) -> HttpResponse:
    """The invoices and credit notes that a sum is of, and what of each is in it."""
    page.see(request)
    months, by = page.months_asked_for(request), _by(request)
    key, currency = _key(request), request.GET.get("currency") or None
    if page.is_csv(request):
        head = ("Number", "Kind", "Client", "Issued at", "Currency", "Net")
        parts = revenue.parts(months, by=by, key=key, currency=currency)
        return page.csv_answer("revenue-documents", head, (_part_row(each) for each in parts))
    found = revenue.first_parts(months, by=by, key=key, currency=currency, most=MOST_PARTS)
    more = f" The first {MOST_PARTS} of {found.many:,}." if found.many > MOST_PARTS else ""
    return page.show(
        request,
        title="Revenue: documents",
        name=NAME,
        months=months,
        fixed=[("by", by), ("key", request.GET.get("key", "")), ("currency", currency or "")],
        note=f"What of each document is in the sum.{more}",
        totals=_totals(found.sums),
        tables=[("", Table(_part_columns(months.zone), found.first, empty="There is none."))],
    )


@dataclass(frozen=True, slots=True)
class _Sum:
    """Of a plan or client, over all the months."""

    key: uuid.UUID | None
    name: str
    currency: str
    documents: int
    invoiced: Decimal
    credited: Decimal
    share: Decimal

    @property
    def net(self) -> Decimal:
        return self.invoiced - self.credited


def _summed(found: Sequence[Revenue]) -> list[_Sum]:
    """Over the months, the most first in each currency."""
    groups: dict[tuple[str, uuid.UUID | None], list[Revenue]] = defaultdict(list)
    wholes: dict[str, Decimal] = defaultdict(Decimal)
    for each in found:
        groups[each.currency, each.key].append(each)
        wholes[each.currency] += each.net
    sums = [
        _Sum(
            key=key,
            name=rows[0].name,
            currency=currency,
            documents=sum(row.documents for row in rows),
            invoiced=sum((row.invoiced for row in rows), Decimal(0)),
            credited=sum((row.credited for row in rows), Decimal(0)),
            share=_percent(sum((row.net for row in rows), Decimal(0)), wholes[currency]),
        )
        for (currency, key), rows in groups.items()
    ]
    return sorted(sums, key=lambda each: (each.currency, -each.net, each.name))


def _percent(part: Decimal, whole: Decimal) -> Decimal:
    return 100 * part / whole if whole > 0 else Decimal(0)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The page's rows, and by currency the sum and the lines of the chart; which charts are cut."""

    rows: Sequence[Revenue | _Sum]
    sums: Mapping[str, Decimal]
    lines: Mapping[str, Mapping[str, dict[date, Decimal]]]
    cut: Collection[str]


def _seen(months: Months, by: By) -> _Seen:
    """By client it is kept: there is a sum for each client and month."""

    def compute() -> _Seen:
        return _of(revenue.revenue(months, by=by), by)

    if by != "client":
        return compute()
    return kept.recall_one(
        "revenue by client", fingerprint=lambda: issued.fingerprint(months), compute=compute
    )


def _of(found: Sequence[Revenue], by: By) -> _Seen:
    of: dict[str, list[Revenue]] = defaultdict(list)
    for each in found:
        of[each.currency].append(each)
    return _Seen(
        rows=found if by == "month" else _summed(found),
        sums={name: sum((each.net for each in of[name]), Decimal(0)) for name in of},
        lines={currency: _lines(rows) for currency, rows in of.items()},
        cut={currency for currency, rows in of.items() if any(each.net < 0 for each in rows)},
    )


def _charts(seen: _Seen, months: Months) -> list[ShownChart]:
    """A chart for each currency: those with most by name, and the rest together."""
    return [
        page.month_chart(
            slug=f"revenue-{currency.lower()}",
            title=f"Net revenue, {currency}",
            currency=currency,
            months=months,
            lines=list(seen.lines[currency].items()),
            note=_CUT if currency in seen.cut else "",
        )
        for currency in sorted(seen.lines)
    ]


def _lines(rows: Sequence[Revenue]) -> Mapping[str, dict[date, Decimal]]:
    whole: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        whole[_name(row)] += row.net
    ranked = sorted(whole, key=lambda name: (-whole[name], name))
    drawn = ranked if len(ranked) <= _DRAWN else ranked[: _DRAWN - 1]
    lines: dict[str, dict[date, Decimal]] = {name: {} for name in drawn}
    for row in rows:
        label = _name(row) if _name(row) in drawn else "All others"
        line = lines.setdefault(label, {})
        line[row.month] = line.get(row.month, Decimal(0)) + row.net
    return lines


def _name(row: Revenue | _Sum) -> str:
    return row.name or ("Net revenue" if isinstance(row, Revenue) else "Without a plan")


def _totals(sums: Mapping[str, Decimal]) -> list[str]:
    return [said(amount, currency) for currency, amount in sorted(sums.items())]


def _columns(by: By, months: Months) -> list[Column]:
    def of(amount: str) -> Column:
        return Column(
            amount.capitalize(), lambda row: said(getattr(row, amount), row.currency), NUMBER
        )

    documents_of = reverse("admin:billing_report_revenue_documents")

    def leads_to(row: Revenue | _Sum) -> SafeString:
        first = last = row.month if isinstance(row, Revenue) else None
        text = f"{row.month:%b %Y}" if isinstance(row, Revenue) else _name(row)
        query = {
            "from": f"{first or months.first:%Y-%m}",
            "to": f"{last or months.last:%Y-%m}",
            "by": by,
            "key": str(row.key or ""),
            "currency": row.currency,
        }
        address = f"{documents_of}?{urlencode(query)}"
        return format_html('<a class="b-link" href="{}">{}</a>', address, text)

    columns = [
        Column(_BY[by], leads_to),
        Column("Documents", lambda row: f"{row.documents:,}", NUMBER),
        *(of(amount) for amount in ("invoiced", "credited", "net")),
    ]
    if by != "month":
        columns.append(Column("Of all", lambda row: f"{row.share:.1f} %", NUMBER))
    return columns


def _part_columns(zone: tzinfo) -> tuple[Column, ...]:
    return (
        Column("Number", lambda row: link(row.number, "billing_invoice_change", row.invoice_id)),
        Column("Kind", lambda row: row.kind.replace("_", " ").capitalize()),
        Column("Client", lambda row: row.client),
        Column("Issued", lambda row: row.issued_at.astimezone(zone).date()),
        Column("Net", lambda row: said(row.net, row.currency), NUMBER),
    )


def _file(found: Sequence[Revenue], by: By) -> tuple[Sequence[str], list[Row]]:
    """With every month of every plan or client."""
    named = by != "month"
    head = (_HEAD[0], _BY[by], *_HEAD[1:]) if named else _HEAD
    return head, [
        (
            f"{row.month:%Y-%m}",
            *((row.name or "Without a plan",) if named else ()),
            row.currency,
            row.documents,
            *(
                page.in_decimals(amount, row.currency)
                for amount in (row.invoiced, row.credited, row.net)
            ),
        )
        for row in found
    ]


def _part_row(part: Part) -> Row:
    moment = part.issued_at.isoformat(timespec="seconds")
    net = page.in_decimals(part.net, part.currency)
    return (part.number, part.kind.replace("_", " "), part.client, moment, part.currency, net)


def _by(request: HttpRequest) -> By:
    by = request.GET.get("by") or "month"
    if by not in _BY:
        raise Http404("There is no such report.")
    return cast("By", by)


def _key(request: HttpRequest) -> uuid.UUID | None:
    text = request.GET.get("key", "")
    try:
        return uuid.UUID(text) if text else None
    except ValueError as error:
        raise Http404("There is no such plan or client.") from error
