"""Who owes less than is worth a letter is left in peace, and everybody else is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core import mail

from billing.models import (
    BillingProfile,
    DunningPolicy,
    DunningStep,
    Invoice,
    InvoiceFile,
    Settlement,
)
from billing.services.invoicing import runs
from billing.services.paying import (
    debt_suspensions,
    dunning,
    dunning_letters,
    dunning_rules,
    settlements,
)
from billing.services.paying.overdue import is_too_little
from hosting.models import Instance, Plan, Server
from tenants.errors import Refused
from tenants.models import AuditEvent, Client
from tests.billing import money
from tests.billing.money import ACTOR, at
from tests.billing.services.paying.owing import DUE, after, fresh, pay, steps

pytestmark = pytest.mark.django_db


def least(**sums: str) -> DunningPolicy:
    """The rules of every test here, with those sums by currency."""
    amounts = {currency: Decimal(amount) for currency, amount in sums.items()}
    rules = {"reminders": (3, 10), "suspend_after": 20, "notice_after": 40}
    return dunning.set_policy(**rules, least=amounts, actor=ACTOR)  # type: ignore[arg-type]


LADDER = [
    *(("reminder", 1, 3), ("reminder", 2, 10)),
    *(("suspension", 1, 20), ("notice", 1, 40)),
]


@pytest.mark.parametrize(
    ("sum_", "done"),
    [("35.69", LADDER), ("35.70", LADDER), ("35.71", []), ("1000", [])],
)
def test_below_the_sum_nothing_of_the_ladder_is_done(
    sum_: str, done: list[tuple[str, int, int]], invoice: Invoice, book: Instance
) -> None:
    least(EUR=sum_)
    after(45)
    assert steps() == done
    assert (fresh(book).suspended_at is not None) == bool(done)
    assert len(mail.outbox) == len(done)


@pytest.mark.parametrize("day", [1, 5, 15])
def test_a_part_that_leaves_too_little_ends_it(day: int, invoice: Invoice, book: Instance) -> None:
    least(EUR="10")
    after(day)
    pay(invoice, day, "25.71")
    after(60, since=day)
    assert steps() == [each for each in LADDER if each[2] <= day]
    assert fresh(book).suspended_at is None


def test_a_part_that_leaves_enough_does_not(invoice: Invoice) -> None:
    least(EUR="10")
    pay(invoice, 1, "25.70")
    after(45)
    assert steps() == LADDER


def test_too_little_keeps_nobody_suspended(invoice: Invoice, book: Instance) -> None:
    least(EUR="10")
    after(20)
    assert fresh(book).suspended_at is not None
    pay(invoice, 22, "30.00")
    after(22, since=22)
    assert fresh(book).suspended_at is None
    assert steps()[-1] == ("resumption", 1, 22)
    after(60, since=23)
    assert steps()[-1] == ("resumption", 1, 22)
    debt_suspensions.refuse_order(client=invoice.client, plan=book.plan)  # it may order again


def test_a_part_is_looked_at_within_seconds(
    invoice: Invoice, book: Instance, django_capture_on_commit_callbacks: Callable[..., object]
) -> None:
    least(EUR="10")
    after(20)
    with django_capture_on_commit_callbacks() as rung:  # type: ignore[attr-defined]
        pay(invoice, 22, "30.00")
    assert rung
    dunning.give_back_paid(now=DUE + timedelta(days=22))
    assert fresh(book).suspended_at is None


def test_who_has_no_instance_may_order_again_too(invoice: Invoice, book: Instance) -> None:
    least(EUR="10")
    Instance.objects.update(first_running_at=None)
    after(20)
    assert steps()[-1] == ("suspension", 1, 20)
    with pytest.raises(Refused, match="is overdue"):
        debt_suspensions.refuse_order(client=invoice.client, plan=book.plan)
    pay(invoice, 22, "30.00")
    debt_suspensions.refuse_order(client=invoice.client, plan=book.plan)


def test_a_sum_that_is_set_later_gives_back_and_one_that_is_lowered_takes(
    invoice: Invoice, book: Instance
) -> None:
    after(20)
    least(EUR="50")
    after(21, since=21)
    assert fresh(book).suspended_at is None
    least(EUR="20")
    after(22, since=22)
    assert fresh(book).suspended_at is not None


@pytest.fixture
def second(invoice: Invoice) -> Invoice:
    """Another one over 35.70 euros, due on 15 March: 28 days after the first."""
    runs.bill_due(now=at("2026-03-01"))
    second = Invoice.objects.exclude(pk=invoice.pk).get()
    assert second.due_on == date(2026, 3, 15)
    return second


def test_small_sums_count_together_from_the_day_on_which_they_are_enough(
    second: Invoice, invoice: Invoice, book: Instance
) -> None:
    least(EUR="50")
    after(30)
    assert steps() == []
    after(60, since=31)
    # Both are reminded of from the second's due date on, and not suspended for before anybody knew.
    assert steps() == [
        *(("reminder", 1, 31), ("reminder", 1, 31), ("reminder", 2, 38), ("reminder", 2, 38)),
        ("suspension", 1, 48),
    ]
    warned = "not paid before 2026-04-04, your instances are suspended on that day"
    assert [warned in each.body for each in mail.outbox] == [True] * 4 + [False]
    assert DUE.date() + timedelta(days=48) == date(2026, 4, 4)


def test_the_rest_of_an_old_invoice_takes_nobody_s_instances_before_the_new_one_does(
    second: Invoice, invoice: Invoice, book: Instance
) -> None:
    least(EUR="10")
    after(15)
    pay(invoice, 15, "30.00")  # it was told of, and 5.70 is left
    after(47, since=15)
    assert fresh(book).suspended_at is None
    assert steps()[2:] == [("reminder", 1, 31), ("reminder", 2, 38)]
    after(48, since=48)
    assert fresh(book).suspended_for == "Invoice INV-000002 was due on 2026-03-15; pay it to go on."
    pay(second, 50)
    after(50, since=50)
    assert fresh(book).suspended_at is None
    assert is_too_little(profile=BillingProfile.objects.get(), now=DUE + timedelta(days=50))


def test_a_currency_that_is_not_named_has_no_least_sum(
    order: Callable[..., Instance],
    invoice: Invoice,
    other_client: Client,
    small: Plan,
    memory_server: Server,
) -> None:
    """Sums are never converted."""
    money.set_details(other_client, country="US", currency="USD", email="books@globex.example")
    money.set_price(small, "5.00", currency="USD")
    money.run_since(order("theirs", client=other_client), "2026-01-01")
    runs.bill_due(now=at("2026-02-01 12:00"))
    theirs = Invoice.objects.get(client=other_client)
    assert (theirs.total, theirs.due_on) == (Decimal(5), date(2026, 2, 15))
    least(EUR="1000")
    after(3)
    assert [each.invoice for each in DunningStep.objects.all()] == [theirs]
    least(EUR="1", USD="5.01")
    after(10, since=10)
    assert DunningStep.objects.filter(invoice=theirs).count() == 1
    assert DunningStep.objects.filter(invoice=invoice).exists()


def test_a_letter_that_waited_is_not_sent_for_too_little(invoice: Invoice) -> None:
    least(EUR="10")
    dunning.advance(now=DUE + timedelta(days=3))
    pay(invoice, 3, "30.00")
    dunning_letters.send_due(now=DUE + timedelta(days=3, hours=1))
    assert mail.outbox == []
    assert DunningStep.objects.get().mail_problem == dunning_letters.TOO_LITTLE


def test_unused_credit_pays_what_is_too_little_to_be_told_of(
    invoice: Invoice, acme: Client
) -> None:
    least(EUR="100")
    settlements.grant_credit(client=acme, amount=Decimal(40), reason="Sorry", actor=ACTOR, now=DUE)
    after(2)
    assert Settlement.objects.get().state == "paid"


def test_each_change_of_it_is_audited(policy: DunningPolicy) -> None:
    least(EUR="10.00", JPY="800")
    event = AuditEvent.objects.filter(action="dunning.policy_set").latest("sequence")
    assert (event.before["least"], event.after["least"]) == ({}, {"EUR": "10.00", "JPY": "800"})


@pytest.mark.parametrize(
    ("sums", "words"),
    [
        ({"EUR": "0"}, "no sum above 0"),
        ({"EUR": "-1"}, "Write sums with their currencies"),
        ({"EUR": "10.001"}, "no sum above 0 as EUR"),
        ({"JPY": "10.50"}, "no sum above 0 as JPY"),
        ({"EURO": "10"}, "Write sums with their currencies"),
        ({"EUR": "NaN"}, "Write sums with their currencies"),
        ({"EUR": "1000000000"}, "no sum above 0"),
    ],
)
def test_what_is_no_sum_is_refused_and_nothing_written(
    policy: DunningPolicy, sums: dict[str, str], words: str
) -> None:
    with pytest.raises(Refused, match=words) as refused:
        least(**sums)
    assert refused.value.field == "least"
    assert DunningPolicy.objects.get().least == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        (" , ", {}),
        ("EUR 10", {"EUR": "10"}),
        ("eur 10.50 , JPY800", {"EUR": "10.50", "JPY": "800"}),
    ],
)
def test_sums_as_a_person_writes_them(text: str, found: dict[str, str]) -> None:
    amounts = dunning_rules.parsed_sums(text)
    assert amounts == {currency: Decimal(amount) for currency, amount in found.items()}


@pytest.mark.parametrize("text", ["10", "EUR", "EUR 10 CHF 12", "EUR ١٠", "EUR 10, EUR 12"])
def test_what_is_no_list_of_sums_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Write sums|there twice"):
        dunning_rules.parsed_sums(text)


@pytest.mark.parametrize(
    ("owed", "sum_", "since"),
    [
        ([], "0", None),
        ([(1, "5")], "0", 1),
        ([(1, "5")], "5", 1),
        ([(1, "5")], "5.01", None),
        ([(1, "5"), (4, "3"), (9, "9")], "8", 4),
        ([(1, "5"), (4, "3"), (9, "9")], "17", 9),
    ],
)
def test_days_are_counted_from_when_it_was_enough(
    owed: list[tuple[int, str]], sum_: str, since: int | None
) -> None:
    sums = [(date(2026, 3, day), Decimal(amount)) for day, amount in owed]
    found = dunning_rules.counted_from(sums, Decimal(sum_))
    assert found == (None if since is None else date(2026, 3, since))


def test_letters_have_the_pdf_and_all_that_a_transfer_needs(invoice: Invoice) -> None:
    money.set_seller(bic="BYLADEM1001")
    InvoiceFile.objects.create(
        invoice=invoice, kind="pdf", content=b"%PDF-1.7 it is", sha256="0" * 64, made_at=DUE
    )
    pay(invoice, 1, "5.70")
    after(20)
    pay(invoice, 21, "30.00")
    after(21, since=21)
    *dunned, given_back = mail.outbox
    assert len(dunned) == 3
    for letter in dunned:
        assert letter.attachments == [("INV-000001.pdf", b"%PDF-1.7 it is", "application/pdf")]
        assert (
            "Please transfer it like this:\n"
            "  To: Berth Hosting GmbH\n"
            "  IBAN: DE02 1203 0000 0000 2020 51\n"
            "  BIC: BYLADEM1001\n"
            "  Amount: EUR 30.00\n"
            "  Reference: INV-000001"
        ) in letter.body
    assert given_back.attachments == []
    assert "IBAN" not in given_back.body


def test_letters_go_without_a_pdf_that_could_not_be_made(invoice: Invoice) -> None:
    InvoiceFile.objects.create(
        invoice=invoice, kind="pdf", problem="It does not add up.", made_at=DUE
    )
    after(3)
    assert mail.outbox[0].attachments == []
