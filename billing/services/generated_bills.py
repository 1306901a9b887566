"""What a fleet that never ran costs, to measure pages with: rates, prices and a year of bills.

Billing itself makes them, month after month; only payments are written all at once. Nothing is
made where there is a seller already: what was issued can't be taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from billing.models import BillingProfile, Invoice, Seller, Settlement
from billing.models.price import Interval
from billing.services import generated_bank, prices, profiles
from billing.services.invoicing import runs
from billing.services.metering import budgets, rates
from billing.services.paying import dunning
from billing.services.reporting import server_costs
from billing.services.reporting.server_costs import CostFields
from hosting.models import Plan, Server
from tenants.models import Client
from tenants.services.actors import Actor

Say = Callable[[str], None]
AUTHOR = Actor.system("generate_fleet")
SERVERS_COST = ("1490", "2190", "3490")  # a month, in turn: those on some servers don't pay off
IN_DEBT = 20  # one client in so many pays nothing of the last two months
DEBT = timedelta(days=62)
_LATE = timedelta(hours=1)
_ADDRESS = {
    "street": "Lane 1",
    "postcode": "10115",
    "city": "Berlin",
    "country": "DE",
}


def make(*, plan: Plan, since: date, now: datetime, say: Say) -> None:
    """Of all clients with instances on the plan, from that day on."""
    if Seller.objects.exists():
        say("no bills: there is a seller already, and what was issued in its name stays")
        return
    _set_rules(plan, since, now)
    clients = Client.objects.filter(instances__plan=plan).distinct()
    BillingProfile.objects.bulk_create(
        [BillingProfile(client=each, name=each.name, **_ADDRESS) for each in clients],
        batch_size=1000,
    )
    for month in _months(since, now):
        runs.bill_due(now=month + _LATE)
    say(f"{Invoice.objects.count()} invoices, {_pay(now)} of them paid")
    dunning.advance(now=now)


def _set_rules(plan: Plan, since: date, now: datetime) -> None:
    for model, price in (("generated-large", "2.5"), ("generated-small", "0.4")):
        rates.create(
            actor=AUTHOR,
            fields={
                "model": model,
                "starts_on": since,
                "currency": "EUR",
                "input": Decimal(price),
                "output": 4 * Decimal(price),
                "cached": None,
            },
        )
    budgets.set_budget(plan=plan, amount=Decimal(50), currency="EUR", actor=AUTHOR)
    seller: Any = {
        **_ADDRESS,
        "name": "Berth",
        "iban": "DE02120300000000202051",
        "bills_from": since,
        "grace_hours": 0,
        "bears_model_costs": True,
    }
    profiles.set_seller(actor=AUTHOR, fields=seller)
    tiers = [[10_000, "0.20"], [None, "0.10"]]
    charge = {"meter": "executions", "model": "graduated", "included": 1000, "tiers": tiers}
    prices.create(
        actor=AUTHOR,
        fields={
            "plan": plan,
            "currency": "EUR",
            "interval": Interval.MONTH,
            "valid_from": since,
            "amount": Decimal("29.00"),
            "setup_fee": Decimal(0),
            "trial_days": 0,
            "charges": [{**charge, "per": 100}],
        },
        now=datetime.combine(since, datetime.min.time(), UTC) - timedelta(days=1),
    )
    for number, server in enumerate(_servers(plan)):
        amount = Decimal(SERVERS_COST[number % len(SERVERS_COST)])
        cost: CostFields = {"server": server, "valid_from": since, "amount": amount}
        server_costs.set_cost(actor=AUTHOR, fields=cost)
    dunning.set_policy(reminders=[3, 10, 17], suspend_after=None, notice_after=None, actor=AUTHOR)


def _servers(plan: Plan) -> Iterator[Server]:
    """Those with instances on the plan."""
    yield from Server.objects.filter(instances__plan=plan).distinct().order_by("name")


def _months(since: date, now: datetime) -> Iterator[datetime]:
    """Each first of a month after that day, in UTC."""
    at = datetime(since.year, since.month, 1, tzinfo=UTC)
    while (at := (at + timedelta(days=32)).replace(day=1)) < now:
        yield at


def _pay(now: datetime) -> int:
    """All but the last ones of those who don't: how many."""
    debtors = list(BillingProfile.objects.order_by("client__slug").values_list("client", flat=True))
    debtors = debtors[::IN_DEBT]
    owed = Settlement.objects.filter(state=Settlement.State.OPEN, total__gt=0)
    to_be_paid = owed.exclude(
        invoice__client__in=debtors, invoice__issued_at__gt=now - DEBT
    ).filter(invoice__issued_at__lt=now - generated_bank.PAID_AFTER)
    return generated_bank.pay(to_be_paid, strangers=len(debtors), now=now)
