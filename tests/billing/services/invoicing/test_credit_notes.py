from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest

from billing import currencies
from billing.models import CreditEntry, Invoice, Payment, Settlement
from billing.services.invoicing import credit_notes, runs
from billing.services.paying import settlements
from hosting.models import Instance, Plan, Server
from tenants.errors import Refused
from tenants.models import AuditEvent, Client
from tests.billing import money
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db
NOW = at("2026-02-10")


@pytest.fixture
def invoice(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> Invoice:
    """30.00 and 5.70 VAT, issued and open."""
    money.set_seller()
    money.set_details(acme)
    money.set_price(small)
    money.run_since(order(), "2026-01-01")
    runs.bill_due(now=at("2026-02-01"))
    return Invoice.objects.get()


def credit(invoice: Invoice, net: str | None = None) -> Invoice:
    return credit_notes.issue(
        invoice=invoice,
        reason="Down for a day",
        actor=ACTOR,
        now=NOW,
        net=None if net is None else Decimal(net),
    )


def pay(invoice: Invoice, amount: str = "35.70", **more: object) -> Payment:
    values = {"currency": "EUR", "received_on": date(2026, 2, 9), "reference": "", **more}
    return settlements.record_payment(
        invoice=invoice,
        amount=Decimal(amount),
        actor=ACTOR,
        now=NOW,
        **values,  # type: ignore[arg-type]
    )


def standing(invoice: Invoice) -> tuple[str, Decimal, Decimal, Decimal]:
    found = Settlement.objects.get(invoice=invoice)
    return found.state, found.credited, found.paid, found.open


def balance() -> Decimal:
    return sum(CreditEntry.objects.values_list("amount", flat=True), Decimal(0))


def test_all_of_an_invoice_can_be_credited(invoice: Invoice) -> None:
    note = credit(invoice)
    note.refresh_from_db()
    assert (note.number, note.corrects, note.state) == ("CN-000001", invoice, "issued")
    assert (note.net, note.vat, note.total) == (Decimal(30), Decimal("5.70"), Decimal("35.70"))
    assert note.buyer == invoice.buyer
    assert note.tax["totals"][0]["amount"] == "5.70"
    assert [(line.name, line.net) for line in note.lines.all()] == [
        ("Credit for INV-000001", Decimal(30))
    ]
    assert standing(invoice) == ("void", Decimal("35.70"), Decimal(0), Decimal(0))
    assert balance() == 0
    assert AuditEvent.objects.filter(action="invoice.credited").count() == 1


def test_no_more_than_what_remains(invoice: Invoice) -> None:
    credit(invoice, "10.00")
    assert standing(invoice)[0] == "open"
    with pytest.raises(Refused, match=r"No more than EUR 20\.00 without VAT is left") as refused:
        credit(invoice, "20.01")
    assert refused.value.field == "net"
    credit(invoice, "20.00")
    assert standing(invoice)[0] == "void"
    with pytest.raises(Refused, match="Nothing is left"):
        credit(invoice)
    assert Invoice.objects.filter(kind="credit_note").count() == 2


@pytest.mark.parametrize("net", ["0", "-1", "0.001"])
def test_an_amount_is_more_than_nothing(invoice: Invoice, net: str) -> None:
    with pytest.raises(Refused, match="above 0"):
        credit(invoice, net)


def test_it_says_why(invoice: Invoice) -> None:
    with pytest.raises(Refused) as refused:
        credit_notes.issue(invoice=invoice, reason=" ", actor=ACTOR, now=NOW)
    assert refused.value.field == "reason"
    assert not Invoice.objects.filter(kind="credit_note").exists()


def test_notes_leave_no_cent_over(invoice: Invoice) -> None:
    """Of 0.03 the VAT is 0.01, and of the 29.97 that stay 5.69; of 0.02 it is 0.00 and 5.70.

    Of 0.08 and of 29.92 it would be 0.02 and 5.68; but of 0.13 and 29.87 0.02 and 5.68, not 5.70.
    """
    credit(invoice, "0.03")
    credit(invoice, "10.00")
    refusals = 0
    for cents in range(1, 50):
        try:
            credit(invoice, f"0.{cents:02}")
        except Refused as refused:
            assert "without a cent being left over" in refused.message  # noqa: PT017
            refusals += 1
    assert 0 < refusals < 49
    credit(invoice)
    notes = list(Invoice.objects.filter(kind="credit_note"))
    assert sum(each.total for each in notes) == invoice.total
    for each in notes:
        assert each.vat == currencies.divided(each.net, Decimal(19), Decimal(100), 2)
    assert standing(invoice)[0] == "void"


def test_what_was_paid_becomes_credit(invoice: Invoice) -> None:
    pay(invoice)
    assert standing(invoice) == ("paid", Decimal(0), Decimal("35.70"), Decimal(0))
    credit(invoice, "10.00")
    assert standing(invoice) == ("paid", Decimal("11.90"), Decimal("23.80"), Decimal(0))
    assert balance() == Decimal("11.90")
    runs.bill_due(now=at("2026-03-01"))
    second = Invoice.objects.filter(kind="invoice").latest("sequence")
    assert standing(second)[2:] == (Decimal("11.90"), Decimal("23.80"))
    assert balance() == 0


def test_a_payment_may_come_in_parts(invoice: Invoice) -> None:
    pay(invoice, "20.00", reference="A")
    assert standing(invoice) == ("open", Decimal(0), Decimal("20.00"), Decimal("15.70"))
    pay(invoice, "15.70", reference="B")
    assert standing(invoice)[0] == "paid"


def test_a_reference_that_another_took_meanwhile_is_refused_in_a_sentence(
    invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both were looked at before either was saved: then the database alone knows."""
    pay(invoice, "5.00", reference="A")
    monkeypatch.setattr(settlements, "refuse_invalid", lambda _: None)
    with pytest.raises(Refused, match="with that reference was recorded already") as caught:
        pay(invoice, "6.00", reference="A")
    assert caught.value.field == "reference"
    assert standing(invoice)[2] == Decimal("5.00")


@pytest.mark.parametrize(
    ("amount", "more", "field"),
    [
        ("35.71", {}, "amount"),
        ("0", {}, "amount"),
        ("-5", {}, "amount"),
        ("1.001", {}, "amount"),
        ("5.00", {"currency": "USD"}, "currency"),
    ],
)
def test_a_payment_that_can_not_be_is_refused(
    invoice: Invoice, amount: str, more: dict[str, str], field: str
) -> None:
    with pytest.raises(Refused) as refused:
        pay(invoice, amount, **more)
    assert refused.value.field == field
    assert not Payment.objects.exists()


def test_the_same_payment_is_not_taken_twice(invoice: Invoice) -> None:
    pay(invoice, "5.00", reference="2026-02-09/17")
    with pytest.raises(Refused, match="was recorded already"):
        pay(invoice, "5.00", reference="2026-02-09/17")


def test_a_draft_can_be_neither_paid_nor_credited(invoice: Invoice) -> None:
    money.set_seller(grace_hours=48)
    runs.bill_due(now=at("2026-03-01"))
    draft = Invoice.objects.get(state="draft")
    with pytest.raises(Refused, match="that was issued"):
        pay(draft, "5.00")
    with pytest.raises(Refused, match="that was issued"):
        credit(draft)


def test_a_credit_note_can_not_be_credited(invoice: Invoice) -> None:
    note = credit(invoice)
    with pytest.raises(Refused, match="Only an invoice"):
        credit(note)


def test_no_payment_is_of_a_day_that_has_not_come(invoice: Invoice) -> None:
    with pytest.raises(Refused, match="today or an earlier day") as caught:
        pay(invoice, received_on=date(2026, 2, 11))
    assert caught.value.field == "received_on"
    assert not Payment.objects.exists()
