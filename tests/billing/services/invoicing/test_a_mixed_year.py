"""A year of three clients in three currencies and zones, in which a little of everything happens.

What happens when is drawn from a seed, the same in every run. The books balance at every day's end,
and when the year is over no day was billed twice or never, and no usage is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from django.db import transaction

from billing import currencies
from billing.models import (
    BillingProfile,
    Invoice,
    Payment,
    Settlement,
    Subscription,
)
from billing.services import client_budgets, discounts
from billing.services.invoicing import credit_notes, runs
from billing.services.paying import receipts, settlements
from billing.services.paying.receipts import Share, Way
from hosting.models import Instance, Plan, Server
from hosting.services.measuring import usage_events, usage_sums
from hosting.services.measuring.usage_checks import Usage
from tenants.errors import Refused
from tenants.models import Client
from tenants.services import clients
from tests.billing import books, money
from tests.billing.money import ACTOR

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
NOTHING = Decimal(0)
METERS = {
    "users": {"title": "Users", "unit": "users", "aggregation": "unique"},
    "seats": {"title": "Seats", "unit": "seats", "aggregation": "latest"},
    "stored": {"title": "Storage", "unit": "GB", "aggregation": "time_weighted"},
}
# On which days of the year whose client moves where; most of them as a period ends.
MOVES = {
    57: (0, "America/New_York"),
    88: (2, "America/St_Johns"),
    148: (0, "Asia/Kathmandu"),
    208: (3, "Pacific/Kiritimati"),
    209: (3, "Europe/Berlin"),
    250: (2, "Europe/Berlin"),
    302: (0, "Atlantic/Azores"),
}
KINDS = ("executions", "users", "seats", "stored")
LARGE: list[dict[str, Any]] = [
    {"meter": "executions", "model": "package", "per": 500, "tiers": [[None, "7"]]},
    {"meter": "users", "tiers": [[None, "2"]]},
    {"meter": "seats", "included": 5, "tiers": [[None, "3"]]},
    {"meter": "stored", "model": "volume", "tiers": [[20, "0.5"], [None, "0.4"]]},
]
SMALL: list[dict[str, Any]] = [
    {
        "meter": "executions",
        "model": "graduated",
        "included": 1000,
        "per": 100,
        "tiers": [[500, "1.2345"], [None, "0.6"]],
    },
    *LARGE[2:],
]


@dataclass
class Year:
    """What there is, and what moved in cash: by currency, and every receipt that could go back."""

    random: Random
    instances: list[Instance]
    plans: list[Plan]
    cash: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    receipts: list[tuple[Way, Share]] = field(default_factory=list)
    waiting: list[tuple[date, Instance, Usage]] = field(default_factory=list)
    told: int = 0


@pytest.fixture
def year(
    order: Callable[..., Instance],
    memory_server: Server,
    acme: Client,
    other_client: Client,
    small: Plan,
    make_plan: Callable[[str], Plan],
) -> Year:
    """Acme in Berlin by the calendar; Globex in yen by quarters; Himal in dinars, from the 31st."""
    himal = clients.create(name="Himal", slug="himal", timezone="Asia/Kathmandu", actor=ACTOR)
    large = make_plan("large")
    Plan.objects.update(sla_tiers=[[99.9, 10], [99.0, 25]])
    money.set_seller(grace_hours=30)
    money.set_details(acme)
    money.set_details(other_client, currency="JPY", country="JP", interval="quarter")
    money.set_details(himal, currency="KWD", country="KW", anchor="anniversary")
    for currency, interval in (("EUR", "month"), ("JPY", "quarter"), ("KWD", "month")):
        more = {"currency": currency, "interval": interval}
        fee = Decimal(49 if currency == "EUR" else 0)
        money.set_price(small, "29", charges=SMALL, trial_days=10, setup_fee=fee, **more)
        money.set_price(large, "99", charges=LARGE, **more)
    wanted = (
        (acme, "2026-01-09 10:00"),
        (acme, "2026-02-20 22:59"),
        (other_client, "2026-01-15 16:00"),
        (himal, "2026-01-31 03:00"),
    )
    found = []
    for number, (client, since) in enumerate(wanted):
        instance = order(f"app-{number}", client=client)
        instance.definition["berth"]["meters"] = METERS
        instance.save()
        found.append(money.run_since(instance, since))
    return Year(Random(6), found, [small, large])


def test_the_books_balance_and_no_day_is_billed_twice_or_never(year: Year) -> None:
    start = datetime(2026, 1, 2, 1, tzinfo=UTC)
    for number in range(366 + 62):
        now = start + timedelta(days=number)
        if number < 366:
            _use(year, now)
            _happen(year, number, now)
            _give(year, number, now)
        _tell_late(year, now)
        if number % 7 == 0:
            client_budgets.tell_due(now=now)
        runs.bill_due(now=now)
        _pay(year, number, now)
        books.balances(year.cash)
    for moment in ("2027-04-02", "2027-04-04"):  # the quarter's, and what was reported late with it
        runs.bill_due(now=money.at(moment))
    books.everything_happened(KINDS)
    books.every_day_is_billed_once()
    books.every_line_opens()
    books.no_usage_is_left_out()
    books.numbers_have_no_gap()


def _use(year: Year, now: datetime) -> None:
    """An instance or two uses something; a third of it is reported days or weeks later."""
    for instance in year.random.sample(year.instances, 2):
        instance.refresh_from_db(fields=["first_running_at", "delete_requested_at"])
        if instance.delete_requested_at or (instance.first_running_at or now) >= now:
            continue
        late = year.random.choice([0, 0, year.random.randint(1, 45)])
        usage = _usage(year, now - timedelta(minutes=year.random.randint(1, 1400)))
        if usage.at > (instance.first_running_at or now):
            year.waiting.append(((now + timedelta(days=late)).date(), instance, usage))


def _usage(year: Year, at: datetime) -> Usage:
    year.told += 1
    meter = year.random.choice(KINDS)
    amount = year.random.choice([1.0, 3.5, 12.0, 700.0 if meter == "executions" else 40.0])
    return Usage(
        at=at,
        meter=meter,
        label="",
        amount=1.0 if meter == "users" else amount,
        key=year.random.choice(["alice", "bob", "carol"]) if meter == "users" else "",
        is_level=meter in ("seats", "stored"),
        input=None,
        output=None,
        cached=None,
        source="test",
        event_id=str(year.told),
    )


def _tell_late(year: Year, now: datetime) -> None:
    due = [each for each in year.waiting if each[0] <= now.date()]
    year.waiting = [each for each in year.waiting if each[0] > now.date()]
    for _, instance, usage in due:
        usage_events.write(instance_id=instance.pk, usages=[usage], now=now)
    if due:
        usage_sums.sum_up(now=now)


def _happen(year: Year, number: int, now: datetime) -> None:
    """Plans change, clients move, instances are suspended, down and deleted."""
    chosen = year.random.choice(year.instances)
    rows = Instance.objects.filter(pk=chosen.pk, delete_requested_at=None)
    if number % 11 == 3:
        rows.update(plan=year.random.choice(year.plans))
    if number % 37 == 5:
        rows.update(suspended_at=now, suspended_for="Not paid.")
    if number % 37 == 11:
        Instance.objects.update(suspended_at=None, suspended_for="")
    if number % 29 == 20 and number > 40:
        money.be_down(chosen, f"{now - timedelta(days=1):%Y-%m-%d}")
    if number in MOVES:
        place, zone = MOVES[number]
        clients.update(client=year.instances[place].client, timezone=zone, actor=ACTOR, now=now)
    if number in (155, 290):
        money.end(year.instances[0 if number == 155 else 3], f"{now:%Y-%m-%d %H:%M}")


def _give(year: Year, number: int, now: datetime) -> None:
    """Coupons, credit and budgets."""
    chosen = year.random.choice(year.instances)
    if number % 97 == 60:
        _coupon(number, chosen)
    if number % 83 == 50:
        settlements.grant_credit(
            client=chosen.client, amount=Decimal(31), reason="Sorry", actor=ACTOR, now=now
        )
    if number == 90:
        for client in {each.client for each in year.instances}:
            client_budgets.set_budget(client=client, amount=Decimal(100), actor=ACTOR)


def _coupon(number: int, instance: Instance) -> None:
    is_amount = number % 2 == 0
    currency = BillingProfile.objects.get(client=instance.client).currency
    coupon: discounts.CouponFields = {
        "code": f"C{number}",
        "kind": "amount" if is_amount else "percent",
        "value": Decimal(7) if is_amount else Decimal("33.333"),
        "currency": currency if is_amount else "",
        "periods": 3,
        "valid_until": None,
    }
    discounts.create_coupon(actor=ACTOR, fields=coupon)
    subscription = Subscription.objects.get(instance=instance)
    discounts.redeem(
        subscription=subscription, code=coupon["code"], actor=ACTOR, on=date(2026, 1, 1)
    )


def _pay(year: Year, number: int, now: datetime) -> None:
    """Invoices are paid in part, whole or too much; some money goes back, some is credited."""
    stands = Settlement.objects.filter(state="open").order_by("invoice__issued_at", "pk").first()
    if number % 5 == 0 and stands is not None:
        _receive(year, stands, number, now)
    if number % 41 == 40 and year.receipts:
        way, share = year.receipts.pop(0)
        back = Way(way.client, way.currency, way.method, now.date(), ACTOR, f"back-{number}")
        with transaction.atomic():
            receipts.client_of(way.client.pk)
            receipts.take_back(way=back, shares=[share], amount=share.amount, now=now)
        year.cash[way.currency] -= share.amount
    if number % 53 == 52:
        _credit(number, now)


def _receive(year: Year, stands: Settlement, number: int, now: datetime) -> None:
    invoice = stands.invoice
    unit = Decimal(1).scaleb(-currencies.exponent(invoice.currency))
    part = stands.open if number % 10 else max((stands.open / 3).quantize(unit), unit)
    more = unit * 9 if number % 15 == 0 else NOTHING
    way = Way(
        *(invoice.client, invoice.currency, Payment.Method.TRANSFER, now.date(), ACTOR),
        f"in-{number}",
    )
    with transaction.atomic():
        receipts.client_of(invoice.client_id)
        share = Share(invoice, part)
        receipts.receive(way=way, shares=[share], amount=part + more, now=now)
    year.cash[invoice.currency] += part + more
    year.receipts.append((way, share))


def _credit(number: int, now: datetime) -> None:
    """Half of an invoice where its VAT lets that be, else all of it."""
    rows = Invoice.objects.filter(kind="invoice", settlement__credited=0, net__gt=0)
    invoice = rows.latest("issued_at")
    half = currencies.rounded(invoice.net / 2, currencies.exponent(invoice.currency))
    try:
        credit_notes.issue(invoice=invoice, reason="x", net=half, actor=ACTOR, now=now)
    except Refused:
        credit_notes.issue(invoice=invoice, reason="x", actor=ACTOR, now=now)
