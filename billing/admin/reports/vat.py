"""VAT for the return, and what buyers elsewhere in the EU owe themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from django.http import HttpRequest, HttpResponse

from billing.admin.reports import page
from billing.currencies import said
from billing.documents.exports.cells import Row
from billing.documents.numbers import tidy
from billing.selectors.reports import vat_report
from billing.selectors.reports.vat_report import Recapitulated, Taxed
from hosting.admin.building.tables import NUMBER, Column, Table

NAME = "billing_report_vat"


def view(request: HttpRequest) -> HttpResponse:
    """By month, country, category and rate; the months of a quarter unless others are chosen."""
    page.see(request)
    months = page.months_asked_for(request, many=3)
    if request.GET.get("csv") == "recapitulative":
        owed = vat_report.recapitulated(months)
        return page.csv_answer("recapitulative-statement", _OWED_HEAD, map(_owed_row, owed))
    found = vat_report.taxed(months)
    if page.is_csv(request):
        return page.csv_answer("vat", _HEAD, (_row(each) for each in found))
    recapitulated = vat_report.recapitulated(months)
    return page.show(
        request,
        title="VAT",
        name=NAME,
        months=months,
        note="As it stands on what was issued in each month by the seller's clock; credit notes"
        " count in their own month, as less. The country is the buyer's.",
        totals=_totals(found),
        more_csv=[
            ("Recapitulative statement as CSV", page.with_query(request, csv="recapitulative"))
        ],
        tables=[
            ("", Table(_COLUMNS, found, empty="Nothing was issued then.")),
            (
                "Owed by the buyer, by VAT number",
                Table(_OWED, recapitulated, empty="Nothing was supplied that way."),
            ),
        ],
    )


def _totals(found: Sequence[Taxed]) -> list[str]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for each in found:
        sums[each.currency] += each.vat
    return [f"{said(amount, currency)} VAT" for currency, amount in sorted(sums.items())]


def _percent(rate: Decimal) -> str:
    return f"{tidy(rate)} %"


_COLUMNS = (
    Column("Month", lambda each: f"{each.month:%b %Y}"),
    Column("Country", lambda each: each.country),
    Column("Rule", lambda each: each.rule.replace("_", " ").capitalize()),
    Column("Category", lambda each: each.category),
    Column("Rate", lambda each: _percent(each.rate), NUMBER),
    Column("Documents", lambda each: f"{each.documents:,}", NUMBER),
    Column("Net", lambda each: said(each.basis, each.currency), NUMBER),
    Column("VAT", lambda each: said(each.vat, each.currency), NUMBER),
)
_OWED = (
    Column("Month", lambda each: f"{each.month:%b %Y}"),
    Column("VAT number", lambda each: each.vat_number),
    Column("Country", lambda each: each.country),
    Column("Net", lambda each: said(each.basis, each.currency), NUMBER),
)
_HEAD = (
    *("Month", "Country", "Rule", "Category", "Rate", "Currency", "Documents"),
    *("Net", "VAT"),
)
_OWED_HEAD = ("Month", "VAT number", "Country", "Currency", "Net")


def _row(each: Taxed) -> Row:
    return (
        *(f"{each.month:%Y-%m}", each.country, each.rule.replace("_", " "), each.category),
        *(tidy(each.rate), each.currency, each.documents),
        page.in_decimals(each.basis, each.currency),
        page.in_decimals(each.vat, each.currency),
    )


def _owed_row(each: Recapitulated) -> Row:
    basis = page.in_decimals(each.basis, each.currency)
    return (f"{each.month:%Y-%m}", each.vat_number, each.country, each.currency, basis)
