"""A year of a mixed set of clients, day by day: the books balance at every day's end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db.models import Sum

from billing.models import CreditEntry, DowntimeCredit, Invoice, Payment, Settlement, Subscription
from billing.services import discounts
from billing.services.invoicing import credit_notes, runs
from billing.services.paying import settlements
from hosting.models import Instance, Plan, Server
from tenants.models import Client
from tests.billing import money
from tests.billing.money import ACTOR
from tests.billing.reports_of_a_year import Reports

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
NOTHING = Decimal(0)


@pytest.fixture
def year(
    order: Callable[..., Instance],
    memory_server: Server,
    acme: Client,
    other_client: Client,
    small: Plan,
    make_plan: Callable[[str], Plan],
) -> dict[str, Instance]:
    """Acme by the month, with two instances; Globex in yen by the quarter, from the 31st on.

    An instance of each is down for half a day in February.
    """
    large = make_plan("large")
    money.set_seller(timezone="Europe/Berlin")
    money.set_details(acme)
    money.set_details(
        other_client, currency="JPY", country="JP", interval="quarter", anchor="anniversary"
    )
    money.set_price(small, "29.90", setup_fee=Decimal("49.00"), trial_days=14)
    money.set_price(large, "99.99")
    money.set_price(small, "8000", currency="JPY", interval="quarter")
    Plan.objects.update(sla_tiers=[[99.9, 10], [99.0, 25]])
    found = {
        "book": money.run_since(order(), "2026-01-09 10:00"),
        "shop": money.run_since(order("shop"), "2026-02-20 22:59"),
        "yen": money.run_since(order("yen", client=other_client), "2026-01-31 03:00"),
    }
    for name in ("book", "yen"):
        money.be_down(found[name], "2026-02-10")
    return found


def test_the_books_balance_at_every_days_end(
    year: dict[str, Instance],
) -> None:
    reports = Reports()
    for number in range(365):
        now = datetime(2026, 1, 2, 1, tzinfo=UTC) + timedelta(days=number)
        _happen(number, now, year)
        runs.bill_due(now=now)
        _pay_and_credit(number, now)
        _balances()
        reports.note(now)
    reports.agree_with_the_books()
    # Twelve months of Acme's, what its shop still owed when it was deleted, three quarters of yen.
    numbers = Invoice.objects.filter(kind="invoice").order_by("sequence")
    assert list(numbers.values_list("sequence", flat=True)) == list(range(1, 12 + 1 + 3 + 1))
    assert not Invoice.objects.filter(state="draft").exists()
    credits = DowntimeCredit.objects.order_by("amount").values_list("month", "amount")
    assert list(credits) == [
        (date(2026, 2, 1), Decimal("7.480")),  # a quarter of 29.90
        (date(2026, 2, 1), Decimal("629")),  # of 28 of 89 days of 8000
    ]


def _happen(number: int, now: datetime, year: dict[str, Instance]) -> None:
    """What happens to the instances and clients in the year."""
    book, shop = (Instance.objects.filter(name=name) for name in ("book", "shop"))
    match number:
        case 60:
            _coupon()
        case 75 | 200:
            book.update(plan=Plan.objects.get(slug="large"))
        case 130:
            book.update(plan=year["shop"].plan)
        case 150:
            shop.update(suspended_at=now, suspended_for="Not paid.")
        case 171:
            shop.update(suspended_at=None, suspended_for="")
        case 180:
            settlements.grant_credit(
                client=year["book"].client,
                amount=Decimal("77.77"),
                reason="x",
                actor=ACTOR,
                now=now,
            )
        case 300:
            money.end(year["shop"], f"{now:%Y-%m-%d}")


def _of(name: str) -> Subscription:
    return Subscription.objects.get(instance__name=name)


def _coupon() -> None:
    coupon: discounts.CouponFields = {
        "code": "THIRD",
        "kind": "percent",
        "value": Decimal("33.333"),
        "currency": "",
        "periods": 4,
        "valid_until": None,
    }
    discounts.create_coupon(actor=ACTOR, fields=coupon)
    discounts.redeem(subscription=_of("book"), code="THIRD", actor=ACTOR, on=date(2026, 3, 3))


def _pay_and_credit(number: int, now: datetime) -> None:
    """Every tenth day the oldest open invoice is paid, in part or whole; some are credited."""
    stands = Settlement.objects.filter(state="open").order_by("invoice__issued_at", "pk").first()
    if number % 10 == 0 and stands is not None:
        half = stands.open.quantize(Decimal(1)) if number % 20 else stands.open
        settlements.record_payment(
            invoice=stands.invoice,
            amount=min(half, stands.open) or stands.open,
            currency=stands.invoice.currency,
            received_on=now.date(),
            actor=ACTOR,
            now=now,
        )
    if number in (95, 240):
        invoice = Invoice.objects.filter(kind="invoice", settlement__credited=0).latest("sequence")
        credit_notes.issue(invoice=invoice, reason="x", actor=ACTOR, now=now)


def _balances() -> None:
    """By currency: invoiced - credited - paid = open, from the rows and not from what stands."""
    for currency in ("EUR", "JPY"):
        of = {"currency": currency}
        invoiced = _sum(Invoice.objects.filter(kind="invoice", state="issued", **of), "total")
        credited = _sum(Invoice.objects.filter(kind="credit_note", **of), "total")
        paid = _sum(Payment.objects.filter(**of), "amount")
        rows = Settlement.objects.filter(invoice__currency=currency)
        opened = sum((each.open for each in rows), NOTHING)
        assert invoiced - credited - paid == opened
        credit = _sum(CreditEntry.objects.filter(**of), "amount")
        granted = _sum(CreditEntry.objects.filter(kind="granted", **of), "amount")
        spent = _sum(Payment.objects.filter(method="credit", **of), "amount")
        assert credit == granted - spent >= 0


def _sum(rows: object, name: str) -> Decimal:
    found: Decimal = rows.aggregate(found=Sum(name, default=NOTHING))["found"]  # type: ignore[attr-defined]
    return found
