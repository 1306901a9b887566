"""What the reports say of a simulated year, held against the books of every day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db.models import Sum

from billing.models import Invoice
from billing.selectors.reports import receivables, revenue, vat_report
from billing.selectors.reports.months import Months
from billing.services.reporting import mrr_report

BERLIN = ZoneInfo("Europe/Berlin")
YEAR = Months(date(2026, 1, 1), date(2027, 1, 1), BERLIN)


class Reports:
    """What was open at each day's end, to be found again later."""

    def __init__(self) -> None:
        self.open: dict[date, Mapping[str, Decimal]] = {}

    def note(self, now: datetime) -> None:
        """What the books say, and that the report of the day says so too."""
        today = now.astimezone(BERLIN).date()
        books = receivables.in_the_books()
        assert _open(today, today) == books
        self.open[today] = books

    def agree_with_the_books(self) -> None:
        """As of every day of the year, and over all of its months."""
        later = max(self.open).replace(year=2028)
        assert {day: _open(day, later) for day in self.open} == self.open
        _revenue_is_what_was_issued()
        _movements_are_the_difference()


def _open(on: date, today: date) -> Mapping[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for each in receivables.aged(on=on, today=today, zone=BERLIN):
        sums[each.currency] = sums.get(each.currency, Decimal(0)) + each.total
    return sums


def _revenue_is_what_was_issued() -> None:
    issued = _issued()
    for by in ("month", "plan", "client"):
        sums: dict[str, Decimal] = {}
        for row in revenue.revenue(YEAR, by=by):
            sums[row.currency] = sums.get(row.currency, Decimal(0)) + row.net
        assert sums == issued
    taxed: dict[str, Decimal] = {}
    for each in vat_report.taxed(YEAR):
        taxed[each.currency] = taxed.get(each.currency, Decimal(0)) + each.basis
    assert taxed == issued


def _issued() -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    rows = Invoice.objects.filter(state="issued").values_list("currency", "kind")
    for currency, kind, net in rows.annotate(Sum("net")).order_by():
        sign = 1 if kind == "invoice" else -1
        found[currency] = found.get(currency, Decimal(0)) + sign * net
    return found


def _movements_are_the_difference() -> None:
    """At every month's end; and what each client is said to bring is the whole."""
    read = mrr_report.read(until=YEAR.last)
    amounts: dict[str, Decimal] = {}
    moved = set()
    for end in read.month_ends(YEAR):
        assert end.before == amounts.get(end.currency, Decimal(0))
        assert end.moves.total == end.amount - end.before
        amounts[end.currency] = end.amount
        of_clients = [each for each in read.clients(end.month) if each.currency == end.currency]
        assert sum((each.amount for each in of_clients), Decimal(0)) == end.amount
        moved |= {name for name in end.moves.__slots__ if getattr(end.moves, name)}
    # Acme begins after its trial, adds and changes plans, is suspended, and gives one up.
    assert {"new", "expansion", "contraction"} <= moved
    assert amounts["EUR"] > 0 < amounts["JPY"]
