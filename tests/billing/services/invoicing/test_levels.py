"""Meters that are no sums on invoices: charged, opened, reported late, and by days of two plans."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from billing.models import Invoice, InvoiceLine
from billing.services.invoicing import explained_events, explained_words, explaining, runs
from hosting.models import Instance, Plan, Server
from hosting.services.measuring import usage_events, usage_sums
from hosting.services.measuring.usage_checks import Usage
from tenants.models import Client
from tests.billing import money
from tests.billing.money import at

pytestmark = pytest.mark.django_db
METERS = {
    "users": {"title": "Users", "unit": "users", "aggregation": "unique"},
    "seats": {"title": "Seats", "unit": "seats", "aggregation": "latest"},
    "stored": {"title": "Storage", "unit": "GB", "aggregation": "time_weighted"},
    "peak": {"title": "Peak", "unit": "jobs", "aggregation": "max"},
}
CHARGES: list[dict[str, Any]] = [
    {"meter": "users", "included": 1, "tiers": [[None, "4.00"]]},
    {"meter": "seats", "tiers": [[None, "3.00"]]},
    {"meter": "stored", "included": 10, "tiers": [[None, "0.50"]]},
    {"meter": "peak", "tiers": [[None, "1.00"]]},
]
Lines = dict[str, tuple[str, str]]
_numbers = count()


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of January are kept, whatever day it is."""
    monkeypatch.setattr(explained_events, "kept_from", lambda *, now: at("2025-01-01"))


@pytest.fixture
def book(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> Instance:
    """Acme's instance since January, of an app that has a meter of each kind."""
    money.set_seller()
    money.set_details(acme)
    money.set_price(small, charges=CHARGES)
    instance = order()
    instance.definition["berth"]["meters"] = METERS
    instance.save()
    return money.run_since(instance, "2026-01-01")


def report(book: Instance, meter: str, day: str, value: float | str, told: str = "") -> None:
    """Tell at noon in Berlin, and sum up; told later where that is said."""
    usage = Usage(
        at=at(f"{day} 11:00"),
        meter=meter,
        label="",
        amount=1.0 if isinstance(value, str) else value,
        key=value if isinstance(value, str) else "",
        is_level=meter in ("seats", "stored"),
        input=None,
        output=None,
        cached=None,
        source="test",
        event_id=str(next(_numbers)),
    )
    now = at(told or f"{day} 11:01")
    usage_events.write(instance_id=book.pk, usages=[usage], now=now)
    usage_sums.sum_up(now=now + timedelta(seconds=1))


def bill(moment: str) -> Invoice:
    """What the run issued last."""
    runs.bill_due(now=at(moment))
    return Invoice.objects.filter(kind="invoice").order_by("-sequence")[0]


def usage_of(invoice: Invoice) -> Lines:
    """By meter the quantity and net of its lines of usage."""
    rows = invoice.lines.filter(kind__in=("usage", "adjustment"))
    return {
        row.meter: (f"{row.quantity.normalize():f}", f"{row.net:.2f}")
        for row in rows.order_by("position")
    }


def opens(invoice: Invoice) -> None:
    """Every line of usage opens to the same amount, and its events to the same sums."""
    rows = invoice.lines.filter(kind__in=("usage", "adjustment")).select_related("invoice")
    for line in rows:
        told = explained_words.told(line, now=at("2026-06-01"))
        assert (told.wrong, told.came_since) == ([], ""), line.name
        by_events = [
            explained_events.total(
                line,
                part.stretch,
                explained_words.meter_of(line),
                now=at("2026-06-01"),
            )
            for part in explaining.explain(line).parts
        ]
        assert None not in by_events


def test_a_whole_month(book: Instance) -> None:
    for day, name in (("05", "alice"), ("06", "bob"), ("28", "alice"), ("30", "carol")):
        report(book, "users", f"2026-01-{day}", name)
    report(book, "seats", "2026-01-01", 9)
    report(book, "seats", "2026-01-20", 5)
    report(book, "stored", "2026-01-01", 20)
    report(book, "peak", "2026-01-03", 7)
    invoice = bill("2026-02-01")
    assert usage_of(invoice) == {
        "users": ("2", "8.00"),  # three, of which one is included
        "seats": ("5", "15.00"),
        "stored": ("10", "5.00"),
        "peak": ("7", "7.00"),
    }
    opens(invoice)


def test_a_level_goes_on_where_nobody_reports_it(book: Instance) -> None:
    report(book, "seats", "2026-01-20", 5)
    report(book, "stored", "2026-01-16", 31)
    january, february = bill("2026-02-01"), bill("2026-03-01")
    # 31 GB on 16 of 31 days, of which 10 are included; and then for all of February.
    assert usage_of(january) == {"seats": ("5", "15.00"), "stored": ("6", "3.00")}
    assert usage_of(february) == {"seats": ("5", "15.00"), "stored": ("21", "10.50")}
    opens(january)
    opens(february)
    line = february.lines.get(meter="seats")
    assert [each["amount"] for each in explained_events.of_line(line)] == [5.0]


def test_half_a_month_is_half_of_a_level(book: Instance) -> None:
    report(book, "seats", "2026-01-02", 31)
    report(book, "peak", "2026-01-02", 31)
    report(book, "users", "2026-01-02", "alice")
    report(book, "stored", "2026-01-01", 10)
    money.end(book, "2026-01-10 12:00")
    invoice = bill("2026-01-11")
    assert usage_of(invoice) == {  # users and storage are within what these days include
        "seats": ("10", "30.00"),
        "peak": ("10", "10.00"),
    }
    opens(invoice)


def test_a_change_of_plan_charges_nobody_twice(
    book: Instance, make_plan: Callable[[str], Plan]
) -> None:
    large = make_plan("large")
    money.set_price(large, "60.00", charges=[{**each, "included": 0} for each in CHARGES])
    for day in ("05", "25"):
        report(book, "users", f"2026-01-{day}", "alice")
    report(book, "seats", "2026-01-01", 31)
    runs.bill_due(now=at("2026-01-02"))
    Instance.objects.filter(pk=book.pk).update(plan=large)
    runs.bill_due(now=at("2026-01-17"))
    invoice = bill("2026-02-01")
    seats = invoice.lines.filter(meter="seats").order_by("position")
    assert [(line.quantity, line.net) for line in seats] == [
        (Decimal(16), Decimal(48)), (Decimal(15), Decimal(45))
    ]  # fmt: skip
    users = invoice.lines.filter(meter="users").order_by("position")
    assert sum(line.quantity for line in users) <= 1
    opens(invoice)


def test_what_is_told_late_is_on_the_next_invoice(book: Instance) -> None:
    report(book, "users", "2026-01-05", "alice")
    report(book, "seats", "2026-01-05", 5)
    report(book, "stored", "2026-01-01", 20)
    bill("2026-02-01")
    report(book, "users", "2026-01-06", "alice", told="2026-02-05 12:00")
    report(book, "users", "2026-01-06", "bob", told="2026-02-05 12:00")
    report(book, "seats", "2026-01-31", 4, told="2026-02-05 12:00")
    invoice = bill("2026-03-01")
    late = invoice.lines.filter(kind="adjustment").select_related("invoice").order_by("position")
    assert [(line.meter, line.net) for line in late] == [
        ("users", Decimal(4)), ("seats", Decimal(-3))
    ]  # fmt: skip
    assert invoice.lines.get(kind="usage", meter="seats").net == Decimal(12)
    opens(invoice)
    again = bill("2026-04-01")
    assert not again.lines.filter(kind="adjustment").exists()


def test_a_level_told_late_changes_every_month_that_it_holds_into(book: Instance) -> None:
    report(book, "seats", "2026-01-05", 5)
    for moment in ("2026-02-01", "2026-03-01"):
        bill(moment)
    report(book, "seats", "2026-01-31", 7, told="2026-03-05 12:00")
    invoice = bill("2026-04-01")
    late = invoice.lines.filter(kind="adjustment").select_related("period").order_by("position")
    assert [(str(line.first_day), line.net) for line in late] == [
        ("2026-01-01", Decimal(6)), ("2026-02-01", Decimal(6))
    ]  # fmt: skip
    assert invoice.lines.get(kind="usage").net == Decimal(21)
    assert InvoiceLine.objects.filter(kind="adjustment").count() == 2
