from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import Invoice, InvoiceLine
from billing.services.invoicing import explained_events, explaining, runs
from hosting.models import Instance, Plan, Server
from hosting.services.measuring import usage_events, usage_sums
from hosting.services.measuring.usage_checks import Usage
from tenants.errors import Refused
from tenants.models import Client
from tests.billing import money
from tests.billing.money import at

pytestmark = pytest.mark.django_db

TIERS = {
    "meter": "executions",
    "model": "graduated",
    "included": 1000,
    "per": 100,
    "tiers": [[500, "2.00"], [None, "1.00"]],
}
TOKENS = {"meter": "llm_input", "model": "standard", "per": 1_000_000, "tiers": [[None, "2.5"]]}
Report = Callable[..., None]
_numbers = count()


@pytest.fixture
def book(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> Instance:
    """Acme's instance since January: 30 euros a month with 1,000 executions, more by the tier."""
    money.set_seller()
    money.set_details(acme)
    money.set_price(small, charges=[TIERS, TOKENS])
    return money.run_since(order(), "2026-01-01")


@pytest.fixture
def report(book: Instance) -> Report:
    """Tell and sum up that so many executions ended, at a moment; told a while later."""

    def tell(amount: float, moment: str, told: str = "", meter: str = "executions") -> None:
        tokens: dict[str, Any] = {"input": None, "output": None, "cached": None}
        if meter == "llm":
            tokens = {"input": int(amount), "output": 0, "cached": 0}
        usage = Usage(
            at=at(moment),
            meter=meter,
            label="gpt-4o" if meter == "llm" else "success",
            amount=1 if meter == "llm" else amount,
            key="",
            is_level=False,
            source="test",
            event_id=str(next(_numbers)),
            **tokens,
        )
        now = at(told or moment)
        usage_events.write(instance_id=book.pk, usages=[usage], now=now)
        usage_sums.sum_up(now=now + timedelta(seconds=1))

    return tell


def bill(moment: str) -> None:
    runs.bill_due(now=at(moment))


def usage_of(invoice: Invoice) -> list[tuple[str, str, str]]:
    return [each for each in money.lines(invoice) if each[0] in ("usage", "adjustment")]


def newest() -> Invoice:
    return Invoice.objects.filter(kind="invoice").order_by("-sequence")[0]


def test_usage_within_what_is_included_is_no_line(book: Instance, report: Report) -> None:
    report(1000, "2026-01-10")
    bill("2026-02-01")
    assert money.lines(newest()) == [("recurring", "1", "30.00")]


def test_each_tier_is_a_line(book: Instance, report: Report) -> None:
    report(1200, "2026-01-10")
    report(700, "2026-01-20")
    bill("2026-02-01")
    assert usage_of(newest()) == [("usage", "500", "10.00"), ("usage", "400", "4.00")]
    assert [line.description for line in newest().lines.filter(kind="usage")] == [
        "1,900 used, 1,000 included, above 0 up to 500",
        "1,900 used, 1,000 included, above 500",
    ]


def test_tokens_are_priced_by_the_million(book: Instance, report: Report) -> None:
    report(3_200_000, "2026-01-10", meter="llm")
    bill("2026-02-01")
    line = newest().lines.get(kind="usage")
    assert (line.quantity, line.unit_price, line.base, line.net) == (
        Decimal(3_200_000), Decimal("2.5"), Decimal(1_000_000), Decimal("8.00")
    )  # fmt: skip
    assert line.name == "Input tokens"


def test_days_are_cut_by_the_clients_clock(book: Instance, report: Report) -> None:
    report(1100, "2026-01-31 22:59")  # still January in Berlin
    report(1200, "2026-01-31 23:01")
    bill("2026-03-02")
    first, second = Invoice.objects.order_by("sequence")
    assert usage_of(first) == [("usage", "100", "2.00")]
    assert usage_of(second) == [("usage", "200", "4.00")]


def test_a_draft_takes_in_what_comes_late(book: Instance, report: Report) -> None:
    money.set_seller(grace_hours=24)
    bill("2026-02-01")
    report(1100, "2026-01-31", told="2026-02-01 12:00")
    bill("2026-02-02 01:00")
    assert usage_of(newest()) == [("usage", "100", "2.00")]
    assert newest().net == Decimal("32.00")
    bill("2026-03-02")
    bill("2026-03-03 03:00")
    assert usage_of(newest()) == []


def test_what_comes_after_the_issue_is_a_line_of_the_next_invoice(
    book: Instance, report: Report
) -> None:
    report(1100, "2026-01-20")
    bill("2026-02-01")
    report(450, "2026-01-21", told="2026-02-10")
    bill("2026-03-02")
    # 550 above what is included would have been 500 at 2.00 and 50 at 1.00 a hundred.
    assert usage_of(newest()) == [("adjustment", "1", "8.50")]
    line = newest().lines.get(kind="adjustment")
    assert line.name == "Executions from 2026-01-01 to 2026-01-31, reported late"
    assert (line.first_day, line.last_day) == (date(2026, 1, 1), date(2026, 1, 31))
    bill("2026-04-02")
    assert usage_of(newest()) == []  # once


def test_the_first_usage_of_a_period_may_come_late(book: Instance, report: Report) -> None:
    bill("2026-02-01")
    report(1100, "2026-01-21", told="2026-02-10")
    bill("2026-03-02")
    assert usage_of(newest()) == [("adjustment", "1", "2.00")]
    report(100, "2026-01-22", told="2026-03-10")
    bill("2026-04-02")
    assert usage_of(newest()) == [("adjustment", "1", "2.00")]


def test_late_usage_is_taxed_at_the_rate_of_its_own_time(
    book: Instance, report: Report, acme: Client, make_plan: Callable[[str], Plan]
) -> None:
    estonian = make_plan("estonian")
    money.set_seller(country="EE", vat_number="", bills_from=date(2025, 6, 1))
    money.set_details(acme, country="EE")
    money.set_price(estonian, valid_from=date(2025, 6, 1), charges=[TIERS])
    Instance.objects.update(plan=estonian, first_running_at=at("2025-06-01"))
    bill("2025-07-01")
    report(1100, "2025-06-21", told="2025-07-10")  # when it was 22 per cent there
    bill("2025-08-01")
    assert [(line.kind, line.rate) for line in newest().lines.all()] == [
        ("recurring", Decimal(24)),
        ("adjustment", Decimal(22)),
    ]
    assert newest().vat == Decimal("7.20") + Decimal("0.44")


def test_usage_that_makes_it_cheaper_is_taken_back_as_far_as_there_is_something(
    book: Instance, report: Report, make_plan: Callable[[str], Plan]
) -> None:
    plan = make_plan("volume")
    charge = {"meter": "executions", "model": "volume", "tiers": [[100, "1.00"], [None, "0.10"]]}
    money.set_price(plan, "30.00", charges=[charge])
    Instance.objects.update(plan=plan)
    report(100, "2026-01-20")
    bill("2026-02-01")
    assert newest().net == Decimal("130.00")
    report(1, "2026-01-21", told="2026-02-10")  # now each of the 101 costs 0.10
    nets = []
    for moment in ("2026-03-01", "2026-04-01", "2026-05-01", "2026-06-01"):
        bill(moment)
        nets.append((usage_of(newest()), newest().net))
    assert nets == [
        ([("adjustment", "-1", "-30.00")], Decimal(0)),
        ([("adjustment", "-1", "-30.00")], Decimal(0)),
        ([("adjustment", "-1", "-29.90")], Decimal("0.10")),
        ([], Decimal("30.00")),
    ]


def test_a_line_opens_down_to_its_events(book: Instance, report: Report) -> None:
    report(1200, "2026-01-10")
    report(700, "2026-01-20")
    bill("2026-02-01")
    for line in newest().lines.filter(kind="usage").select_related("invoice"):
        found = explaining.explain(line)
        (part,) = found.parts
        assert (part.used, part.included, part.used_now) == (
            Decimal(1900),
            Decimal(1000),
            Decimal(1900),
        )
        assert (found.fits, found.is_current) == (True, True)
        assert [(str(day.on), day.total) for day in found.days] == [
            ("2026-01-10", Decimal(1200)), ("2026-01-20", Decimal(700))
        ]  # fmt: skip
        assert [each["amount"] for each in explained_events.of_line(line)] == [1200, 700]


def test_a_line_still_fits_when_usage_came_in_since(book: Instance, report: Report) -> None:
    report(1200, "2026-01-10")
    bill("2026-02-01")
    report(700, "2026-01-20", told="2026-02-05")
    found = explaining.explain(newest().lines.get(kind="usage"))
    assert (found.fits, found.is_current) == (True, False)
    assert found.parts[0].used_now == Decimal(1900)


def test_only_usage_can_be_opened(book: Instance, report: Report) -> None:
    bill("2026-02-01")
    with pytest.raises(Refused, match="Only a line of usage"):
        explaining.explain(InvoiceLine.objects.get(kind="recurring"))


def test_a_billing_of_many_asks_as_often_as_one_of_a_few(
    book: Instance, report: Report, order: Callable[..., Instance]
) -> None:
    asked = []
    for month, many in (("2026-02-01", 1), ("2026-03-01", 1), ("2026-04-01", 5)):
        for number in range(many):
            begin = at(month) - timedelta(days=15)
            money.run_since(order(f"more-{month}-{number}"), f"{begin:%Y-%m-%d}")
        report(1100, f"{begin:%Y-%m-%d}")
        with CaptureQueriesContext(connection) as queries:
            bill(month)
        asked.append(len(queries))
    assert newest().lines.count() == 9
    assert asked[1] == asked[2]


def test_usage_reported_after_the_last_invoice_makes_one_more(
    book: Instance, report: Report
) -> None:
    report(1100, "2026-01-05")
    money.end(book, "2026-01-10 12:00")
    bill("2026-01-11")
    # Of 10 of 31 days 323 are included.
    assert usage_of(newest()) == [("usage", "500", "10.00"), ("usage", "277", "2.77")]
    report(100, "2026-01-07", told="2026-02-20")
    bill("2026-02-21")
    last = newest()
    assert money.lines(last) == [("adjustment", "1", "1.00")]
    assert last.lines.get().name == "Executions from 2026-01-01 to 2026-01-10, reported late"
    bill("2026-02-22")
    bill("2026-03-01")
    assert newest() == last


def test_a_last_draft_waits_for_more_of_it(book: Instance, report: Report) -> None:
    money.set_seller(grace_hours=24)
    money.end(book, "2026-01-10 12:00")
    bill("2026-01-11")
    bill("2026-01-12 01:00")
    report(400, "2026-01-07", told="2026-02-20")
    bill("2026-02-20 12:00")
    report(23, "2026-01-08", told="2026-02-20 18:00")
    bill("2026-02-21 13:00")
    assert newest().net == Decimal("2.00")
    assert not Invoice.objects.filter(state="draft").exists()


def test_what_is_taken_back_after_the_last_invoice_makes_a_credit_note(
    book: Instance, report: Report, make_plan: Callable[[str], Plan]
) -> None:
    plan = make_plan("volume")
    charge = {"meter": "executions", "model": "volume", "tiers": [[100, "1.00"], [None, "0.10"]]}
    money.set_price(plan, "30.00", charges=[charge])
    Instance.objects.update(plan=plan)
    report(100, "2026-01-05")
    money.end(book, "2026-01-10 12:00")
    bill("2026-01-11")
    report(1, "2026-01-06", told="2026-02-10")
    bill("2026-02-11")
    # 100 at 1.00 each became 101 at 0.10.
    assert Invoice.objects.filter(kind="invoice").count() == 1
    assert Invoice.objects.get(kind="credit_note").net == Decimal("89.90")


def test_a_line_of_late_usage_opens_too(book: Instance, report: Report) -> None:
    report(1100, "2026-01-20")
    bill("2026-02-01")
    report(450, "2026-01-21", told="2026-02-10")
    bill("2026-03-02")
    line = newest().lines.select_related("invoice").get(kind="adjustment")
    found = explaining.explain(line)
    (part,) = found.parts
    assert (part.used, part.included, part.used_now) == (
        Decimal(1550), Decimal(1000), Decimal(1550)
    )  # fmt: skip
    assert (found.now, found.billed_before, line.net) == (
        Decimal("10.50"), Decimal("2.00"), Decimal("8.50")
    )  # fmt: skip
    assert [(each.invoice.number, each.position) for each in found.before] == [("INV-000001", 2)]
    assert (found.fits, found.is_current) == (True, True)
    assert [each["amount"] for each in explained_events.of_line(line)] == [1100, 450]
    line.net += Decimal("0.01")
    assert not explaining.explain(line).fits


def test_late_usage_of_two_plans_opens_part_by_part(
    book: Instance, report: Report, make_plan: Callable[[str], Plan]
) -> None:
    large = make_plan("large")
    charge = {"meter": "executions", "model": "package", "per": 100, "tiers": [[None, "1.00"]]}
    money.set_price(large, "60.00", charges=[charge])
    bill("2026-01-02")
    Instance.objects.filter(pk=book.pk).update(plan=large)
    bill("2026-01-17")
    bill("2026-02-01")
    report(600, "2026-01-10", told="2026-02-10")
    report(101, "2026-01-20", told="2026-02-10")
    bill("2026-03-02")
    line = newest().lines.select_related("invoice").get(kind="adjustment")
    found = explaining.explain(line)
    # 16 of 31 days include 516; 84 at 2.00 a hundred, and two packages.
    assert [(part.used, part.included, part.net) for part in found.parts] == [
        (Decimal(600), Decimal(516), Decimal("1.68")), (Decimal(101), Decimal(0), Decimal("2.00"))
    ]  # fmt: skip
    assert (line.net, found.fits, found.before) == (Decimal("3.68"), True, [])


def test_what_was_taken_back_in_parts_opens_each_time(
    book: Instance, report: Report, make_plan: Callable[[str], Plan]
) -> None:
    plan = make_plan("volume")
    charge = {"meter": "executions", "model": "volume", "tiers": [[100, "1.00"], [None, "0.10"]]}
    money.set_price(plan, "30.00", charges=[charge])
    Instance.objects.update(plan=plan)
    report(100, "2026-01-20")
    bill("2026-02-01")
    report(1, "2026-01-21", told="2026-02-10")
    for moment in ("2026-03-01", "2026-04-01", "2026-05-01"):
        bill(moment)
    lines = InvoiceLine.objects.filter(kind="adjustment").order_by("invoice__sequence")
    found = [explaining.explain(line) for line in lines.select_related("invoice")]
    assert [each.line.net for each in found] == [Decimal(-30), Decimal(-30), Decimal("-29.90")]
    assert [(each.now, each.billed_before, each.fits) for each in found] == [
        (Decimal("10.10"), Decimal(100), True),
        (Decimal("10.10"), Decimal(70), True),
        (Decimal("10.10"), Decimal(40), True),
    ]


def test_an_invoice_older_than_the_notes_opens_without_them(book: Instance, report: Report) -> None:
    bill("2026-02-01")
    report(1100, "2026-01-21", told="2026-02-10")
    bill("2026-03-02")
    line = newest().lines.select_related("invoice").get(kind="adjustment")
    del line.basis["parts"]
    found = explaining.explain(line)
    assert (found.parts, found.fits) == ([], True)
    assert [day.total for day in found.days] == [Decimal(1100)]
