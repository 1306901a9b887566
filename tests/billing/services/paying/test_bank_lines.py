"""Lines of the bank: proposed, booked, returned, undone, set aside; and the books balance."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db.models import Sum
from pytest_django import DjangoAssertNumQueries

from billing.bank.matching import Certainty
from billing.models import BankLine, CreditEntry, Invoice, Payment, Settlement
from billing.services.invoicing import credit_notes, runs
from billing.services.paying import bank_lines, bank_proposals, bank_statements, settlements
from billing.services.paying.bank_proposals import Proposed
from billing.services.paying.receipts import Share
from hosting.models import Instance, Plan, Server
from tenants.errors import Refused
from tenants.models import AuditEvent, Client
from tests.billing import money
from tests.billing.bank.samples import camt, entry, transfer
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db
NOW = at("2026-03-05")


@pytest.fixture
def invoices(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> list[Invoice]:
    """Two of 35.70 euros, due on 15 February and 15 March."""
    money.set_seller()
    money.set_details(acme)
    money.set_price(small)
    money.run_since(order(), "2026-01-01")
    runs.bill_due(now=at("2026-02-01"))
    runs.bill_due(now=at("2026-03-01"))
    return list(Invoice.objects.order_by("sequence"))


def import_(*entries: str) -> list[BankLine]:
    statement = bank_statements.import_file(
        name="x.xml", content=camt(*entries), layout=None, actor=ACTOR, now=NOW
    )
    return list(statement.lines.order_by("position"))


def arrive(amount: str = "35.70", text: str = "INV-000001", **more: str) -> BankLine:
    details = transfer(text, **more)
    reference = f"R{BankLine.objects.count()}"
    return import_(entry(amount, details, reference=reference, day="2026-03-02"))[0]


def go_out(amount: str = "35.70", *, day: str = "2026-03-04", **more: str) -> BankLine:
    reason = f"<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>{more.pop('fees', '')}"
    details = transfer("returned", more=reason, **more)
    reference = f"R{BankLine.objects.count()}"
    return import_(entry(amount, details, way="DBIT", reference=reference, day=day))[0]


def book(line: BankLine, found: Proposed | None = None) -> BankLine:
    found = found or bank_proposals.of_line(line)
    assert found.client is not None
    return bank_lines.book(
        line=line, client=found.client, shares=found.shares, actor=ACTOR, now=NOW
    )


def share(invoice: Invoice, amount: str) -> Share:
    return Share(invoice, Decimal(amount))


def open_(invoice: Invoice) -> Decimal:
    return Settlement.objects.get(invoice=invoice).open


def credit() -> Decimal:
    return CreditEntry.objects.aggregate(sum=Sum("amount"))["sum"] or Decimal(0)


@pytest.fixture(autouse=True)
def _balances(request: pytest.FixtureRequest) -> object:
    """What is settled is what the payments come to, and money is neither made nor lost."""
    yield
    for settlement in Settlement.objects.all():
        sums = Payment.objects.filter(invoice=settlement.invoice_id)
        assert settlement.paid == (sums.aggregate(sum=Sum("amount"))["sum"] or 0)
    by_bank = BankLine.objects.filter(state="booked").aggregate(sum=Sum("amount"))["sum"] or 0
    others = CreditEntry.objects.filter(kind="granted").aggregate(sum=Sum("amount"))["sum"] or 0
    paid = Settlement.objects.aggregate(sum=Sum("paid"))["sum"] or 0
    assert by_bank + others == paid + credit()


def test_a_sure_line_is_booked_on_its_invoice(invoices: list[Invoice], acme: Client) -> None:
    line = arrive()
    found = bank_proposals.of_line(line)
    assert found.proposal.certainty == Certainty.SURE
    booked = book(line, found)
    assert (booked.state, booked.client) == ("booked", acme)
    assert open_(invoices[0]) == 0
    payment = Payment.objects.get()
    assert (payment.method, payment.line, payment.received_on) == (
        "transfer",
        booked,
        line.booked_on,
    )
    actions = AuditEvent.objects.filter(client_id=acme.pk).values_list("action", flat=True)
    assert {"invoice.paid", "bank_line.booked"} <= set(actions)


def test_one_payment_pays_several_and_the_rest_is_credit(invoices: list[Invoice]) -> None:
    book(arrive("80.00", "INV-1 and INV-2"))
    assert [open_(each) for each in invoices] == [0, 0]
    assert credit() == Decimal("8.60")
    assert CreditEntry.objects.get().kind == "overpaid"


def test_a_part_leaves_the_rest_open(invoices: list[Invoice]) -> None:
    book(arrive("20.00"))
    assert open_(invoices[0]) == Decimal("15.70")
    book(arrive("15.70"))
    assert open_(invoices[0]) == 0


def test_an_account_is_known_once_it_has_paid(invoices: list[Invoice], acme: Client) -> None:
    assert bank_proposals.of_line(arrive("1.00", "hello")).client is None
    book(arrive())
    found = bank_proposals.of_line(arrive("10.00", "hello"))
    assert (found.client, found.proposal.certainty) == (acme, Certainty.GUESS)
    assert [each.invoice for each in found.shares] == [invoices[1]]


def test_what_was_paid_already_becomes_credit(invoices: list[Invoice]) -> None:
    book(arrive())
    book(arrive())
    assert credit() == Decimal("35.70")


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((("0", "35.71"),), "no more than EUR 35.70 is open"),
        ((("0", "35.70"), ("1", "14.31")), "No more than EUR 50.00 came in"),
        ((("0", "0"),), "above 0"),
        ((("0", "1.001"),), "above 0"),
        ((("0", "1.00"), ("0", "1.00")), "named twice"),
    ],
)
def test_shares_that_do_not_fit_are_refused(
    invoices: list[Invoice], acme: Client, parts: tuple[tuple[str, str], ...], words: str
) -> None:
    line = arrive("50.00")
    shares = [share(invoices[int(n)], amount) for n, amount in parts]
    with pytest.raises(Refused, match=words):
        bank_lines.book(line=line, client=acme, shares=shares, actor=ACTOR, now=NOW)
    line.refresh_from_db()
    assert line.state == "open"
    assert not Payment.objects.exists()


def test_another_currency_or_client_is_refused(
    invoices: list[Invoice], acme: Client, other_client: Client
) -> None:
    money.set_details(other_client)
    line = arrive()
    with pytest.raises(Refused, match="one client's invoices"):
        bank_lines.book(
            line=line, client=other_client, shares=[share(invoices[0], "1")], actor=ACTOR, now=NOW
        )
    (dollars,) = import_(entry("35.70", transfer(), currency="USD", reference="9"))
    assert "is in EUR, this is USD" in bank_proposals.of_line(dollars).proposal.why
    with pytest.raises(Refused, match="is in EUR, the money in USD"):
        bank_lines.book(
            line=dollars, client=acme, shares=[share(invoices[0], "1")], actor=ACTOR, now=NOW
        )
    with pytest.raises(Refused, match="The client's currency is EUR"):
        bank_lines.book(line=dollars, client=acme, shares=[], actor=ACTOR, now=NOW)


def test_a_line_is_booked_once(invoices: list[Invoice]) -> None:
    line = arrive()
    found = bank_proposals.of_line(line)
    book(line, found)
    with pytest.raises(Refused, match="booked already"):
        book(line, found)
    assert Payment.objects.count() == 1


def test_a_return_opens_what_was_paid(invoices: list[Invoice], acme: Client) -> None:
    paid = book(arrive("71.40", "INV-1, INV-2", end_to_end="E-1"))
    line = go_out("71.40", end_to_end="E-1")
    found = bank_proposals.of_line(line)
    assert (found.proposal.certainty, found.returns) == (Certainty.SURE, paid)
    bank_lines.book_return(line=line, of=paid, actor=ACTOR, now=NOW)
    assert [open_(each) for each in invoices] == [Decimal("35.70")] * 2
    assert credit() == 0
    with pytest.raises(Refused, match="returned already"):
        bank_lines.book_return(
            line=go_out("71.40", day="2026-03-05"), of=paid, actor=ACTOR, now=NOW
        )
    with pytest.raises(Refused, match="took that money back"):
        bank_lines.undo(line=paid, actor=ACTOR, now=NOW)


def test_a_return_with_the_banks_charges_fits(invoices: list[Invoice]) -> None:
    paid = book(arrive())
    fees = '<Chrgs><Amt Ccy="EUR">3.00</Amt></Chrgs>'
    line = go_out("38.70", fees=fees)
    assert bank_proposals.of_line(line).returns == paid
    with pytest.raises(Refused, match="went out, and"):
        bank_lines.book_return(line=go_out("39.00"), of=paid, actor=ACTOR, now=NOW)
    bank_lines.book_return(line=line, of=paid, actor=ACTOR, now=NOW)
    assert open_(invoices[0]) == Decimal("35.70")
    BankLine.objects.filter(pk=line.pk).update(amount=Decimal("-35.70"))  # the books are ours alone


def test_a_return_takes_back_what_became_credit_and_what_that_paid(
    invoices: list[Invoice],
) -> None:
    """50 came in for the first, 14.30 of it paid the third; then the bank took the 50 back."""
    paid = book(arrive("50.00"))
    runs.bill_due(now=at("2026-04-01"))
    third = Invoice.objects.get(sequence=3)
    assert open_(third) == Decimal("21.40")
    line = go_out("50.00", day="2026-04-02")
    bank_lines.book_return(line=line, of=paid, actor=ACTOR, now=at("2026-04-03"))
    assert (open_(invoices[0]), open_(third)) == (Decimal("35.70"), Decimal("35.70"))
    assert credit() == 0


def test_a_return_of_what_was_credited_since_leaves_the_credit(invoices: list[Invoice]) -> None:
    paid = book(arrive())
    credit_notes.issue(invoice=invoices[0], reason="Down", actor=ACTOR, now=NOW)
    assert credit() == Decimal("35.70")
    bank_lines.book_return(line=go_out(), of=paid, actor=ACTOR, now=NOW)
    assert credit() == open_(invoices[0]) == 0


def test_a_wrong_booking_is_undone_and_booked_again(invoices: list[Invoice], acme: Client) -> None:
    settlements.grant_credit(client=acme, amount=Decimal(100), reason="Sorry", actor=ACTOR, now=NOW)
    line = book(arrive("40.00"))
    undone = bank_lines.undo(line=line, actor=ACTOR, now=NOW)
    assert (undone.state, undone.client) == ("open", None)
    assert open_(invoices[0]) == Decimal("35.70")
    assert credit() == 100
    bank_lines.book(
        line=undone, client=acme, shares=[share(invoices[1], "35.70")], actor=ACTOR, now=NOW
    )
    assert (open_(invoices[1]), credit()) == (Decimal(0), Decimal("104.30"))
    again = bank_lines.undo(line=line, actor=ACTOR, now=NOW)
    assert (open_(invoices[1]), credit()) == (Decimal("35.70"), Decimal(100))
    assert again.state == "open"


def test_lines_are_set_aside_with_a_reason_and_taken_up_again() -> None:
    line = arrive("1.00", "from my grandmother")
    with pytest.raises(Refused, match="Say why") as caught:
        bank_lines.set_aside(line=line, reason=" ", actor=ACTOR)
    assert caught.value.field == "reason"
    assert bank_lines.set_aside(line=line, reason="A present", actor=ACTOR).state == "aside"
    assert bank_lines.take_up(line=line, actor=ACTOR).state == "open"
    actions = AuditEvent.objects.order_by("sequence").values_list("action", flat=True)
    assert list(actions)[-2:] == ["bank_line.set_aside", "bank_line.taken_up"]


def test_credit_is_paid_out(invoices: list[Invoice], acme: Client) -> None:
    book(arrive("40.00"))
    line = go_out("4.30")
    with pytest.raises(Refused, match=r"no more than EUR 4\.30 of credit"):
        bank_lines.pay_out(line=go_out("4.31"), client=acme, actor=ACTOR, now=NOW)
    bank_lines.pay_out(line=line, client=acme, actor=ACTOR, now=NOW)
    assert credit() == 0


def test_many_lines_take_no_more_queries_than_one(
    invoices: list[Invoice], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    book(arrive("1.00"))
    lines = [arrive(f"{n}.00", f"INV-{n % 2 + 1}") for n in range(1, 12)]
    with django_assert_max_num_queries(6):
        assert len(bank_proposals.of_lines(lines)) == 11
