"""Issued invoices as documents: what was billed passes every check, to the cent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest

from billing.documents import einvoices
from billing.documents.invoice import Kind, VatCategory
from billing.models import BillingProfile, Invoice
from billing.services.delivering import invoice_values
from billing.services.invoicing import credit_notes, runs
from billing.services.paying import settlements
from hosting.models import Instance, Plan, Server
from tenants.models import Client
from tests.billing import money
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db
CONTACT = {"contact": "Accounts", "phone": "+49 40 1234567", "email": "billing@berth.example"}


@pytest.fixture
def invoice(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> Invoice:
    """Half of January at 30.00 a month, issued."""
    money.set_seller(**CONTACT)
    money.set_details(acme, vat_number="DE136695976", email="invoices@acme.example")
    money.set_price(small)
    money.run_since(order(), "2026-01-15")
    runs.bill_due(now=at("2026-02-01"))
    return Invoice.objects.get()


def test_an_invoice_s_values_are_those_of_its_rows(invoice: Invoice) -> None:
    values = invoice_values.document(invoice)

    assert (values.kind, values.number) == (Kind.INVOICE, invoice.number)
    assert (values.issue_date, values.delivery_date) == (invoice.issued_on, date(2026, 1, 31))
    assert values.totals.gross == invoice.total
    assert values.seller.name == "Berth Hosting GmbH"
    assert [line.net for line in values.lines] == [line.net for line in invoice.lines.all()]


def test_what_was_billed_passes_every_check_in_both_formats(invoice: Invoice) -> None:
    values = invoice_values.document(invoice)

    assert einvoices.factur_x(values)
    assert einvoices.peppol_bis(values)


def test_a_credit_note_passes_too_and_names_its_invoice(invoice: Invoice) -> None:
    note = credit_notes.issue(
        invoice=invoice, reason="Down for a day", actor=ACTOR, now=at("2026-02-10")
    )
    values = invoice_values.document(Invoice.objects.get(pk=note.pk))

    assert values.preceding is not None
    assert values.preceding.number == invoice.number
    assert values.notes == ("Down for a day",)
    assert einvoices.factur_x(values)
    assert einvoices.peppol_bis(values)


def test_what_stands_on_it_does_not_change_with_the_seller(invoice: Invoice) -> None:
    before = einvoices.factur_x(invoice_values.document(invoice))
    money.set_seller(**CONTACT, name="Berth AG")

    assert einvoices.factur_x(invoice_values.document(Invoice.objects.get())) == before


def test_credit_that_was_there_before_is_taken_off_what_is_due(
    invoice: Invoice, acme: Client
) -> None:
    settlements.grant_credit(
        client=acme, amount=Decimal("5.00"), reason="Sorry", actor=ACTOR,
        now=at("2026-02-02"),
    )  # fmt: skip
    runs.bill_due(now=at("2026-03-01"))
    values = invoice_values.document(Invoice.objects.latest("issued_at"))

    assert values.totals.prepaid == Decimal("5.00")
    assert values.totals.due == values.totals.gross - Decimal("5.00")
    assert einvoices.factur_x(values)


def test_a_payment_later_on_changes_nothing(invoice: Invoice) -> None:
    before = einvoices.factur_x(invoice_values.document(invoice))
    settlements.record_payment(
        invoice=invoice, amount=Decimal("1.00"), currency="EUR", received_on=date(2026, 2, 9),
        actor=ACTOR, now=at("2026-02-09"),
    )  # fmt: skip

    assert einvoices.factur_x(invoice_values.document(invoice)) == before


def test_reverse_charge_passes(invoice: Invoice, acme: Client) -> None:
    money.set_details(acme, country="AT", vat_number="ATU13585627", email="a@acme.example")
    BillingProfile.objects.update(vat_state="valid")
    runs.bill_due(now=at("2026-03-01"))
    values = invoice_values.document(Invoice.objects.latest("issued_at"))

    assert {each.vat.category for each in values.vat} == {VatCategory.REVERSE_CHARGE}
    assert einvoices.factur_x(values)
    assert einvoices.peppol_bis(values)


def test_a_draft_is_no_document(invoice: Invoice) -> None:
    with pytest.raises(ValueError, match="A draft is no document"):
        invoice_values.document(Invoice(currency="EUR"))
