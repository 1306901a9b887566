"""Finance imports a statement, looks at its lines, and says what each is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.models import BankLine, BankStatement, CreditEntry, Invoice, Payment, Settlement
from billing.services.invoicing import runs
from hosting.models import Instance, Plan, Server
from tenants.models import Client, User
from tests.billing import money
from tests.billing.bank.samples import ACCOUNT, camt, entry, transfer
from tests.billing.money import at

pytestmark = pytest.mark.django_db
LINES = "admin:billing_bankline_changelist"
FORM = {"format": "camt", "encoding": "utf-8", "delimiter": ";", "dates": "dmy"}
TABLE = {**FORM, "format": "csv", "account": ACCOUNT, "currency": "EUR", "has_comma": "on"}


def _browser(group: str) -> Browser:
    user = User.objects.create_user(
        f"{group}@berth.example", "correct horse battery", name=group, is_staff=True
    )
    user.groups.add(Group.objects.get(name=group))
    browser = Browser()
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return browser


@pytest.fixture
def finance(db: None) -> Browser:
    return _browser("finance")


@pytest.fixture
def invoice(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> Invoice:
    """35.70 euros, open."""
    money.set_seller()
    money.set_details(acme)
    money.set_price(small)
    money.run_since(order(), "2026-01-01")
    runs.bill_due(now=at("2026-02-01"))
    return Invoice.objects.get()


def upload(browser: Browser, content: bytes, **form: str) -> str:
    """Send the file; what the page says where it was not taken."""
    data = {**FORM, **form, "file": SimpleUploadedFile("statement.xml", content)}
    answer = browser.post(reverse("admin:billing_bankstatement_add"), data)
    return "" if answer.status_code == 302 else answer.content.decode()


def act(browser: Browser, line: BankLine, verb: str, **data: str) -> str:
    """Do that; what the page says where it was refused."""
    answer = browser.post(reverse(f"admin:billing_bankline_{verb}", args=[line.pk]), data)
    return "" if answer.status_code == 302 else answer.content.decode()


def page(browser: Browser, line: BankLine) -> str:
    return browser.get(reverse("admin:billing_bankline_change", args=[line.pk])).content.decode()


def test_a_statement_is_imported_and_its_lines_are_proposed(
    finance: Browser, invoice: Invoice
) -> None:
    assert (
        "IBAN of the account"
        in finance.get(reverse("admin:billing_bankstatement_add")).content.decode()
    )
    assert not upload(
        finance, camt(entry("35.70", transfer()), entry("5.00", transfer("hello"), reference="2"))
    )
    shown = finance.get(reverse(LINES), {"state__exact": "open"}).content.decode()
    assert "2 lines, 2 of them new." in shown
    for words in ("EUR 35.70", "Acme GmbH", "Sure", "Unknown", "hello"):
        assert words in shown
    assert not upload(finance, camt(entry("35.70", transfer())))
    assert "1 were known already" in finance.get(reverse(LINES)).content.decode()
    statement = BankStatement.objects.first()
    assert statement is not None
    look = reverse("admin:billing_bankstatement_change", args=[statement.pk])
    assert statement.sha256 in finance.get(look).content.decode()


def test_what_is_sure_is_booked_at_once_and_the_rest_by_hand(
    finance: Browser, invoice: Invoice, acme: Client
) -> None:
    upload(
        finance,
        camt(entry("35.70", transfer()), entry("5.00", transfer("hello", iban=""), reference="2")),
    )
    sure, unknown = BankLine.objects.order_by("position")
    chosen = {"action": "book_sure", "_selected_action": [str(sure.pk), str(unknown.pk)]}
    assert (
        "1 booked; 1 are to be looked at."
        in finance.post(reverse(LINES), chosen, follow=True).content.decode()
    )
    assert Settlement.objects.get().open == 0
    assert "There is no invoice “INV-9”." in act(finance, unknown, "book", shares="INV-9")
    assert "Name an invoice" in act(finance, unknown, "book", shares="")
    assert "No client" in act(finance, unknown, "book", client="nobody")
    assert not act(finance, unknown, "book", client="acme")
    assert CreditEntry.objects.get().amount == 5
    assert "booked already" in act(finance, unknown, "book", client="acme")


def test_a_booking_is_typed_looked_at_and_taken_back(finance: Browser, invoice: Invoice) -> None:
    upload(finance, camt(entry("20.00", transfer())))
    line = BankLine.objects.get()
    asked = finance.get(reverse("admin:billing_bankline_book", args=[line.pk])).content.decode()
    assert "INV-000001 20" in asked
    assert "is less than what is open" in asked
    for typed, words in (
        ("INV-000001 x", "write a number and an amount like 20.00"),
        ("INV-000001 20.01", "No more than EUR 20.00 came in."),
        ("INV-000001 36", "No more than EUR 20.00 came in."),
    ):
        refused = act(finance, line, "book", shares=typed)
        assert words in refused
        assert typed in refused
    assert not Payment.objects.exists()
    assert not act(finance, line, "book", shares="INV-000001 15\n\n")
    assert Settlement.objects.get().paid == 15
    assert CreditEntry.objects.get().amount == 5
    shown = page(finance, line)
    assert "It is booked on Acme." in shown
    assert "EUR 15.00" in shown
    assert not act(finance, line, "undo")
    assert Settlement.objects.get().paid == 0
    assert "To be matched" in page(finance, line)


def test_lines_are_set_aside_returned_and_paid_out(
    finance: Browser, invoice: Invoice, acme: Client
) -> None:
    reason = "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>"
    back = entry("35.70", transfer("back", more=reason), way="DBIT", reference="2")
    upload(
        finance,
        camt(
            entry("35.70", transfer()), back, entry("4.00", transfer("x", iban=""), reference="3")
        ),
    )
    paid, returned, other = BankLine.objects.order_by("position")
    assert "This field is required." in act(finance, other, "set_aside", reason="")
    assert not act(finance, other, "set_aside", reason="Interest")
    assert "Interest." in page(finance, other)
    assert not act(finance, other, "take_up")
    assert not act(finance, other, "book", client="acme")
    act(finance, paid, "book", shares="INV-000001")
    assert "Take back what came in" in page(finance, returned)
    assert "no more than EUR 4.00 of credit" in act(finance, returned, "pay_out", client="acme")
    assert not act(finance, returned, "return", of=str(paid.pk))
    assert Settlement.objects.get().open == invoice.total
    assert (
        "took that money back"
        in finance.post(
            reverse("admin:billing_bankline_undo", args=[paid.pk]), follow=True
        ).content.decode()
    )


@pytest.mark.parametrize(
    ("content", "form", "words"),
    [
        (b"<a/>", {}, "The file is no CAMT.053 statement"),
        (b"Datum;Betrag\n1;2", TABLE, "Row 2: “1” is no day like 31.01.2026."),
        (b"Datum;Betrag\n1;2", {**TABLE, "account": ""}, "Say which account the table is of."),
        ("Größe".encode("cp1252"), TABLE, "The file is not in UTF-8; try Windows-1252."),
        (b"Datum;Betrag\n", {**TABLE, "text": "Zweck"}, "No column is called “Zweck”"),
        (b"Datum;Betrag\n", {**TABLE, "dates": "?"}, "Select a valid choice"),
    ],
)
def test_a_bad_file_is_refused_on_the_page(
    finance: Browser, content: bytes, form: dict[str, str], words: str
) -> None:
    assert words in upload(finance, content, **form)
    assert not BankStatement.objects.exists()


def test_how_the_last_table_was_written_is_chosen_again(finance: Browser) -> None:
    table = b"Datum\tSumme\n10.02.2026\t1,00\n"
    assert not upload(finance, table, **{**TABLE, "delimiter": "tab", "amount": "Summe"})
    form = finance.get(reverse("admin:billing_bankstatement_add")).content.decode()
    assert 'value="Summe"' in form
    assert '<option value="tab" selected>' in form


@pytest.mark.parametrize("group", ["support", "operations"])
def test_nobody_else_sees_or_does_it(group: str, finance: Browser) -> None:
    upload(finance, camt(entry("35.70", transfer())))
    line = BankLine.objects.get()
    other = _browser(group)
    for address in (reverse(LINES), reverse("admin:billing_bankstatement_changelist")):
        assert other.get(address).status_code == 403
    for verb in ("book", "set_aside", "pay_out", "take_up", "undo", "return"):
        address = reverse(f"admin:billing_bankline_{verb}", args=[line.pk])
        assert other.post(address, {"reason": "x"}).status_code == 403
    line.refresh_from_db()
    assert line.state == "open"


def test_the_number_of_queries_does_not_grow(finance: Browser, invoice: Invoice) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert finance.get(reverse(LINES)).status_code == 200
        return len(queries)

    upload(finance, camt(entry(reference="1")))
    count()
    one = count()
    upload(finance, camt(*(entry(f"{n}.00", reference=str(n)) for n in range(2, 20))))
    count()
    assert count() <= one + 1  # clients of whoever has paid before
