"""A line of usage opens down to its days and events, computes to the same, and is nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count as counting
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client as Browser
from django.urls import reverse

from billing.models import DowntimeCredit, Invoice
from billing.services import pricing
from billing.services.invoicing import credit_notes, explained_events, explained_words, runs
from hosting.models import Instance, Plan, UsageEvent, UsageSum
from hosting.services.measuring import usage_events, usage_sums
from hosting.services.measuring.usage_checks import Usage
from tenants.models import Client, Role, User
from tests.billing import money
from tests.billing.money import ACTOR, at
from tests.hosting.views.reading import count, text

LINE = "/c/acme/invoices/INV-000001/lines/2/"
CHARGES = [
    {
        "meter": "executions", "model": "graduated", "included": 1000, "per": 100,
        "tiers": [[500, "2.00"], [None, "1.00"]],
    },
    {"meter": "llm_input", "per": 1_000_000, "tiers": [[None, "2.5"]]},
]  # fmt: skip
Login = Callable[[User | None], Browser]
_numbers = counting()


def report(book: Instance, moment: str, amount: int, *, meter: str = "executions") -> None:
    """Tell of an event, and sum it up."""
    is_llm = meter == "llm"
    tokens = {"input": amount, "output": 7, "cached": 1} if is_llm else {}
    usage = Usage(
        at=at(moment),
        meter=meter,
        label="=gpt" if is_llm else "success",
        amount=1 if is_llm else amount,
        key="",
        is_level=False,
        source="https://book.example",
        event_id=f"e{next(_numbers)}",
        **{"input": None, "output": None, "cached": None, **tokens},
    )
    usage_events.write(instance_id=book.pk, usages=[usage], now=at(moment))
    usage_sums.sum_up(now=at(moment) + timedelta(minutes=1))


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of January are kept, whatever day it is."""
    monkeypatch.setattr(explained_events, "kept_from", lambda *, now: at("2025-01-01"))


@pytest.fixture
def invoice(book: Instance, acme: Client, small: Plan, kept: None) -> Invoice:
    """Executions: 500 at 2.00 and 400 at 1.00 a hundred; tokens: 3 million at 2.50."""
    money.set_seller()
    money.set_details(acme)
    money.set_price(small, charges=CHARGES)
    money.run_since(book, "2026-01-01")
    report(book, "2026-01-10 12:00", 1200)
    report(book, "2026-01-20 12:00", 700)
    report(book, "2026-01-20 13:00", 3_000_000, meter="llm")
    runs.bill_due(now=at("2026-02-01"))
    return Invoice.objects.get()


def test_the_invoice_leads_to_each_line_of_usage(invoice: Invoice, browser: Browser) -> None:
    page = browser.get("/c/acme/invoices/INV-000001/").content.decode()
    assert [f"/lines/{n}/" in page for n in range(1, 6)] == [False, True, True, True, False]


def test_it_says_how_it_was_computed(invoice: Invoice, browser: Browser) -> None:
    page = text(browser, LINE)
    for words in (
        "Computed once more, it is the same amount.",
        "1,000 executions a month are included. Each of the executions above that costs what its",
        "1 to 500 EUR 2.00 per 100",
        "from 501 on EUR 1.00 per 100",
        "Used 1,900 executions",
        "On the invoice 500 × EUR 2.00 / 100 = EUR 10.00",
        "Computed once more 500 × EUR 2.00 / 100 = EUR 10.00",
        "10 Jan 2026 success 1,200 1",
        "20 Jan 2026, 13:00:00 success https://book.example",
    ):
        assert words in page
    assert "400 × EUR 1.00 / 100 = EUR 4.00" in text(browser, LINE.replace("/2/", "/3/"))


def test_tokens_open_too(invoice: Invoice, browser: Browser) -> None:
    page = text(browser, LINE.replace("/2/", "/4/"))
    assert "EUR 2.50 for each 1,000,000 tokens." in page
    assert "3,000,000 × EUR 2.50 / 1,000,000 = EUR 7.50" in page
    assert "same amount" in page


def test_usage_that_came_since_is_told_apart(
    invoice: Invoice, book: Instance, browser: Browser
) -> None:
    report(book, "2026-01-21 12:00", 50)
    page = text(browser, LINE)
    assert "Other usage is known by now: +50 executions." in page
    assert "Computed once more, it is the same amount." in page


def test_sums_that_events_do_not_make_are_said_loudly(invoice: Invoice, browser: Browser) -> None:
    UsageSum.objects.filter(span="day", meter="executions", total=1200).update(total=1300)
    page = text(browser, LINE)
    assert "This does not add up. The events come to 1,900, and the sums by day that are" in page
    assert "same amount" not in page


def test_an_amount_that_can_not_be_computed_is_said_loudly(
    invoice: Invoice, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = pricing.rate

    def other_rules(charge: pricing.Charge, **given: Any) -> tuple[pricing.Rated, ...]:
        return rules(charge, **{**given, "used": given["used"] + 100})

    monkeypatch.setattr(pricing, "rate", other_rules)
    page = text(browser, LINE.replace("/2/", "/3/"))
    assert "This does not add up. The amount computed from the quantity that was billed" in page
    assert "On the invoice 400 × EUR 1.00 / 100 = EUR 4.00" in page
    assert "Computed once more 500 × EUR 1.00 / 100 = EUR 5.00" in page
    assert "same amount" not in page


def test_events_that_are_gone_make_nothing_wrong(
    invoice: Invoice, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explained_events, "kept_from", lambda *, now: at("2026-01-15"))
    UsageEvent.objects.filter(at__lt=at("2026-01-15")).delete()
    page = text(browser, LINE)
    assert "same amount" in page
    assert "10 Jan 2026, 13:00:00" not in page


def test_events_come_in_pages(
    invoice: Invoice, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explained_words, "PER_PAGE", 1)
    first, second = text(browser, LINE), text(browser, f"{LINE}?page=2")
    assert "10 Jan 2026, 13:00:00" in first
    assert "20 Jan 2026, 13:00:00" not in first
    assert "20 Jan 2026, 13:00:00" in second
    assert "There are no more." in text(browser, f"{LINE}?page=3")
    for odd in ("0", "-1", "x", "٣", "9" * 30):
        assert browser.get(f"{LINE}?page={odd}").status_code == 200


def test_both_come_as_csv(invoice: Invoice, browser: Browser) -> None:
    days = stream(browser, f"{LINE}days.csv").decode().split("\r\n")
    assert days[0] == "day,label,total,count,maximum,distinct,latest,mean,computed_at"
    assert days[1].startswith("2026-01-10,success,1200,1,1200,")
    events = stream(browser, LINE.replace("/2/", "/4/") + "events.csv").decode()
    row = events.split("\r\n")[1]
    assert row.startswith("2026-01-20T14:00:00+01:00,'=gpt,3000000,1.0,3000000,7,1,https://book")
    assert browser.get(f"{LINE}words.csv").status_code == 404


def stream(browser: Browser, path: str) -> bytes:
    answer = browser.get(path)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/csv")
    return answer.getvalue()


@pytest.fixture
def late(invoice: Invoice, book: Instance, small: Plan) -> Invoice:
    """The next invoice, with late usage of January and a credit for downtime in February."""
    Plan.objects.filter(pk=small.pk).update(sla_tiers=[[99.9, 25]])
    report(book, "2026-01-21 12:00", 50)
    UsageSum.objects.filter(total=50).update(computed_at=at("2026-02-05"))
    money.be_down(book, "2026-02-10")
    runs.bill_due(now=at("2026-03-01"))
    found = Invoice.objects.get(sequence=2)
    assert [each.kind for each in found.lines.order_by("position")] == [
        "recurring", "adjustment", "downtime"
    ]  # fmt: skip
    return found


LATE = "/c/acme/invoices/INV-000002/lines/2/"
DOWN = "/c/acme/invoices/INV-000002/lines/3/"


def test_late_usage_leads_to_what_stood_on_invoices_before(late: Invoice, browser: Browser) -> None:
    assert LATE in browser.get("/c/acme/invoices/INV-000002/").content.decode()
    page = text(browser, LATE)
    for words in (
        "Computed once more, it is the same amount.",
        "2026-01-01 to 2026-01-31",
        "Used 1,950 executions",
        "450 × EUR 1.00 / 100 = EUR 4.50",
        "Of these days stood on invoices before: line 2 of INV-000001, EUR 10.00;"
        " line 3 of INV-000001, EUR 4.00",
        "On the invoice EUR 0.50",
        "EUR 14.50 − EUR 14.00 = EUR 0.50",
        "21 Jan 2026, 13:00:00 success",
    ):
        assert words in page
    assert b"success,50" in stream(browser, f"{LATE}days.csv")
    UsageSum.objects.filter(span="day", meter="executions", total=50).update(total=51)
    assert "The events come to 1,950" in text(browser, LATE)


def test_a_credit_for_downtime_leads_to_its_days(
    late: Invoice, book: Instance, browser: Browser
) -> None:
    assert DOWN in browser.get("/c/acme/invoices/INV-000002/").content.decode()
    page = text(browser, DOWN)
    for words in (
        "Computed once more, it is the same amount.",
        "Down in February 2026 12 h 0 min of 24 h 0 min that are known",
        "Availability 50.000 %",
        "EUR 30.00 on this invoice; in all EUR 30.00.",
        "On the invoice EUR -7.50",
        "EUR 30.00 × 25 % = EUR 7.50",
        "10 Feb 2026 12 h 0 min 24 h 0 min",
    ):
        assert words in page
    assert browser.get(f"{DOWN}days.csv").status_code == 404
    money.be_down(book, "2026-02-11", seconds=86_400)
    page = text(browser, DOWN)
    assert "By what is known now its availability was 25.000 %." in page
    assert "it is the same amount" in page


def test_a_credit_note_has_nothing_to_open(late: Invoice, browser: Browser) -> None:
    note = credit_notes.issue(invoice=late, reason="x", actor=ACTOR, now=at("2026-03-02"))
    page = browser.get(f"/c/acme/invoices/{note.number}/").content.decode()
    assert "/lines/" not in page
    for position in range(1, 5):
        path = f"/c/acme/invoices/{note.number}/lines/{position}/"
        assert browser.get(path).status_code == 404


def test_other_lines_can_not_be_opened(invoice: Invoice, browser: Browser) -> None:
    for position in (0, 1, 5, 99, 10**12):
        assert browser.get(LINE.replace("/2/", f"/{position}/")).status_code == 404


def test_nobody_else_opens_them(
    invoice: Invoice, mallory: User, member: Callable[[Role], User], login: Login
) -> None:
    stranger, viewer = login(mallory), login(member(Role.VIEWER))
    for path in (LINE, f"{LINE}days.csv", f"{LINE}events.csv"):
        assert stranger.get(path).status_code == 404
        assert stranger.get(path.replace("acme", "globex")).status_code == 404
        assert viewer.get(path).status_code == 403


def test_queries_do_not_grow(invoice: Invoice, book: Instance, browser: Browser) -> None:
    browser.get(LINE)
    one = count(browser, LINE)
    for day in range(2, 9):
        report(book, f"2026-01-0{day} 12:00", 10)
    assert count(browser, LINE) == one <= 16


def test_finance_opens_them_in_the_admin(invoice: Invoice, login: Login) -> None:
    staff = User.objects.create_user("finance@berth.example", name="Bob", is_staff=True)
    page = reverse("admin:billing_invoice_line", args=[invoice.pk, 2])
    assert login(staff).get(page).status_code == 403
    staff.groups.add(Group.objects.get(name="finance"))
    browser = login(User.objects.get(pk=staff.pk))
    whole = browser.get(reverse("admin:billing_invoice_change", args=[invoice.pk])).content.decode()
    assert page in whole
    assert "2.00 per\N{NO-BREAK SPACE}100" in whole
    assert "EUR\N{NO-BREAK SPACE}10.00" in whole
    read = text(browser, page)
    assert "Computed once more, it is the same amount." in read
    assert "500 × EUR 2.00 / 100 = EUR 10.00" in read
    assert b"success,1200" in stream(browser, f"{page}days.csv")
    assert browser.get(page.replace("/2/", "/1/")).status_code == 404


def test_finance_opens_late_usage_and_credits_in_the_admin(late: Invoice, login: Login) -> None:
    staff = User.objects.create_user("finance@berth.example", name="Bob", is_staff=True)
    staff.groups.add(Group.objects.get(name="finance"))
    browser = login(staff)
    read = text(browser, reverse("admin:billing_invoice_line", args=[late.pk, 2]))
    assert "2026-01-01 to 2026-01-31: 1,000 executions a month are included." in read
    assert "line 3 of INV-000001, EUR 4.00" in read
    assert "EUR 14.50 − EUR 14.00 = EUR 0.50" in read
    page = reverse("admin:billing_invoice_line", args=[late.pk, 3])
    read = text(browser, page)
    assert "availability 50.000 %, for which 25 % of the month's price is given back" in read
    assert "EUR 30.00 × 25 % = EUR 7.50" in read
    assert browser.get(f"{page}days.csv").status_code == 404
    listed = browser.get(reverse("admin:billing_downtimecredit_changelist")).content.decode()
    assert "February 2026" in listed
    assert "7.50" in listed
    credit = DowntimeCredit.objects.get()
    one = browser.get(reverse("admin:billing_downtimecredit_change", args=[credit.pk]))
    assert page in one.content.decode()
