"""A client's invoices: what is open, what was paid, its files, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import DunningGrace, DunningStep, Invoice, InvoiceFile, InvoiceMail
from billing.services.delivering import invoice_files
from billing.services.invoicing import credit_notes, runs
from billing.services.paying import dunning, dunning_letters, settlements
from billing.views import invoices as views
from hosting.models import Instance, Plan
from tenants.models import Client, Role, User
from tests.billing import money
from tests.billing.money import ACTOR, at
from tests.hosting.views.reading import plain

LIST = "/c/acme/invoices/"
PAGE = "/c/acme/invoices/INV-000001/"
NOW = at("2026-02-20 12:00")
Login = Callable[[User | None], Browser]


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "today_of", lambda client: date(2026, 2, 20))


@pytest.fixture
def invoice(book: Instance, acme: Client, small: Plan) -> Invoice:
    """35.70 euros, due on 15 February."""
    money.set_seller()
    money.set_details(acme)
    money.set_price(small)
    money.run_since(book, "2026-01-01")
    runs.bill_due(now=at("2026-02-01"))
    return Invoice.objects.get()


def _read(browser: Browser, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200
    return plain(answer.content.decode())


def _pay(invoice: Invoice, amount: str) -> None:
    settlements.record_payment(
        invoice=invoice,
        amount=Decimal(amount),
        currency="EUR",
        received_on=date(2026, 2, 18),
        actor=ACTOR,
        now=NOW,
    )


def test_before_the_first_there_is_nothing_to_pay(book: Instance, browser: Browser) -> None:
    page = _read(browser, LIST)
    assert "Nothing has been billed yet." in page
    assert "No invoices yet" in page


def test_the_list_says_what_is_open_and_where_to_pay(invoice: Invoice, browser: Browser) -> None:
    page = _read(browser, LIST)
    assert "EUR 35.70 is to be paid." in page
    assert "DE02120300000000202051" in page
    assert "INV-000001" in page
    assert "5 days overdue" in page
    assert "1 Jan to 31 Jan 2026" in page
    _pay(invoice, "5.70")
    assert "EUR 30.00 open" in _read(browser, LIST)
    _pay(invoice, "30.00")
    page = _read(browser, LIST)
    assert "Everything is paid." in page
    assert "Where to pay" not in page


def test_the_period_that_runs_is_shown_as_far_as_it_has_come(
    invoice: Invoice, browser: Browser
) -> None:
    page = _read(browser, LIST)
    assert "Not billed yet" in page
    assert "1 Feb to 28 Feb 2026" in page
    assert "EUR 30.00" in page


def test_its_page_has_lines_vat_and_payments(invoice: Invoice, browser: Browser) -> None:
    _pay(invoice, "10.00")
    page = _read(browser, PAGE)
    for words in (
        "Small book, 1 Jan to 31 Jan 2026",
        "1 30.00 EUR 30.00",
        "VAT 19 %",
        "EUR 5.70",
        "EUR 35.70",
        "EUR 25.70 open",
    ):
        assert words in page
    assert "18 Feb 2026 EUR 10.00" in page


def test_its_page_says_how_to_pay_what_is_open(invoice: Invoice, browser: Browser) -> None:
    _pay(invoice, "5.70")
    page = browser.get(PAGE)
    words = plain(page.content.decode())
    assert "DE02 1203 0000 0000 2020 51" in words
    assert "Amount EUR 30.00 Reference INV-000001" in words
    assert "RF69INV000001" in words
    assert '<svg xmlns="http://www.w3.org/2000/svg"' in page.content.decode()
    _pay(invoice, "30.00")
    assert "Pay by bank transfer" not in _read(browser, PAGE)


def test_its_page_says_which_mails_went_where(invoice: Invoice, browser: Browser) -> None:
    assert "What was mailed" not in _read(browser, PAGE)
    mail = InvoiceMail.objects.create(invoice=invoice, send_at=NOW)
    assert "The invoice – Not yet; it is tried again" in _read(browser, PAGE)
    mail.send_at, mail.times, mail.mailed_to = None, 1, ["books@acme.example"]
    mail.mailed_at = at("2026-02-01 07:30")
    mail.save()
    assert "The invoice books@acme.example 1 Feb 2026, 08:30" in _read(browser, PAGE)
    day = date(2026, 2, 18)
    step = DunningStep.objects.create(
        invoice=invoice, kind="reminder", on=day, done_at=NOW, send_at=NOW
    )
    assert "Reminder that it is overdue – Not yet; it is tried again" in _read(browser, PAGE)
    step.send_at, step.mail_problem = None, "Not sent: there was a newer one by then."
    step.save()
    page = _read(browser, PAGE)
    assert "Reminder that it is overdue – Not sent" in page
    assert "newer one" not in page, "that is for staff"


def test_its_page_warns_of_the_day_on_which_instances_are_suspended(
    invoice: Invoice, browser: Browser, acme: Client
) -> None:
    dunning.set_policy(reminders=(3,), suspend_after=20, notice_after=None, actor=ACTOR)
    assert "are suspended on that day" not in _read(browser, PAGE), "nobody was told yet"
    dunning.advance(now=NOW)
    dunning_letters.send_due(now=NOW)
    assert "not paid before 7 Mar 2026, your instances" in _read(browser, PAGE)
    until = acme.clock.day_at(timezone.now())
    dunning.grant_grace(
        client=acme, until=until, reason="They called.", actor=ACTOR, now=timezone.now()
    )
    assert "are suspended on that day" not in _read(browser, PAGE)
    DunningGrace.objects.all().delete()
    _pay(invoice, "35.70")
    assert "are suspended on that day" not in _read(browser, PAGE)


def test_a_credit_note_is_not_paid(invoice: Invoice, browser: Browser) -> None:
    credit_notes.issue(invoice=invoice, reason="Down", actor=ACTOR, now=NOW)
    assert "Pay by bank transfer" not in _read(browser, "/c/acme/invoices/CN-000001/")


def test_a_credit_note_and_its_invoice_lead_to_each_other(
    invoice: Invoice, browser: Browser
) -> None:
    credit_notes.issue(invoice=invoice, reason="Down <for> a day", actor=ACTOR, now=NOW)
    assert "Credited in full" in _read(browser, PAGE)
    assert "Credit note CN-000001" in _read(browser, PAGE)
    note = browser.get("/c/acme/invoices/CN-000001/").content.decode()
    assert PAGE in note
    assert "Down &lt;for&gt; a day" in note


def test_files_come_as_they_left(invoice: Invoice, browser: Browser) -> None:
    assert "In some minutes" in _read(browser, LIST)
    invoice_files.make_missing(now=NOW)
    file = InvoiceFile.objects.get(kind="pdf")
    assert f"{PAGE}pdf" in browser.get(LIST).content.decode()
    answer = browser.get(f"{PAGE}pdf")
    assert answer.content == bytes(file.content or b"")
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"] == 'attachment; filename="INV-000001.pdf"'
    assert browser.get(f"{PAGE}factur_x")["Content-Type"] == "application/xml"
    assert browser.get(f"{PAGE}word").status_code == 404


@pytest.mark.parametrize(
    "number", ["INV-1", "INV-0000001", "INV-000002", "000001", "INV-", "INV-٠٠٠٠٠١", "inv-000001"]
)
def test_a_number_is_written_in_one_way(invoice: Invoice, browser: Browser, number: str) -> None:
    assert browser.get(f"/c/acme/invoices/{number}/").status_code == 404


def test_nobody_else_sees_them(
    invoice: Invoice, globex: Client, mallory: User, login: Login
) -> None:
    invoice_files.make_missing(now=NOW)
    stranger = login(mallory)
    for path in (LIST, PAGE, f"{PAGE}pdf"):
        assert stranger.get(path).status_code == 404
        assert stranger.get(path.replace("acme", "globex")).status_code in (200, 404)
    assert "INV-000001" not in stranger.get("/c/globex/invoices/").content.decode()
    assert stranger.get("/c/globex/invoices/INV-000001/").status_code == 404
    assert stranger.get("/c/globex/invoices/INV-000001/pdf").status_code == 404


def test_a_viewer_neither(invoice: Invoice, member: Callable[[Role], User], login: Login) -> None:
    viewer = login(member(Role.VIEWER))
    for path in (LIST, PAGE, f"{PAGE}pdf"):
        assert viewer.get(path).status_code == 403
    assert "Invoices" not in plain(viewer.get("/c/acme/").content.decode())


def test_a_draft_is_nobodys_yet(
    book: Instance, acme: Client, small: Plan, browser: Browser
) -> None:
    money.set_seller(grace_hours=240)
    money.set_details(acme)
    money.set_price(small)
    money.run_since(book, "2026-01-01")
    runs.bill_due(now=at("2026-02-01"))
    assert Invoice.objects.get().state == "draft"
    assert "No invoices yet" in _read(browser, LIST)


def test_the_number_of_queries_does_not_grow(invoice: Invoice, browser: Browser) -> None:
    invoice_files.make_missing(now=NOW)
    browser.get(LIST)  # the session remembers the client once

    def count(path: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(path).status_code == 200
        return len(queries)

    one = count(LIST)
    for month in range(3, 9):
        runs.bill_due(now=at(f"2026-{month:02d}-02"))
    invoice_files.make_missing(now=at("2026-09-01"))
    assert Invoice.objects.count() == 7
    assert count(LIST) == one <= 25
    assert count(PAGE) <= 18
