"""Making prices. One that exists never changes: the next version takes its place from a day on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypedDict

from django.db import transaction

from billing import currencies
from billing.models import InvoiceLine, Price, Subscription
from billing.services import pricing
from hosting.models import Plan
from tenants.errors import Refused
from tenants.services import audit
from tenants.services.actors import Actor
from tenants.services.validation import refuse_invalid


class PriceFields(TypedDict):
    """A price: ``charges`` as ``Price.charges``, amounts in the currency."""

    plan: Plan
    currency: str
    interval: str
    valid_from: date
    amount: Decimal
    setup_fee: Decimal
    trial_days: int
    charges: Sequence[Mapping[str, Any]]


@transaction.atomic
def create(*, actor: Actor, fields: PriceFields, now: datetime) -> Price:
    """A new version. ``Refused`` with the field where a value is bad or a period is in use.

    The first price of a plan may begin on any day, and one before it too; every later one begins
    after tomorrow, so that no period changes its price that runs or was billed.
    """
    Plan.objects.select_for_update(no_key=True).get(pk=fields["plan"].pk)
    price = Price(**{**fields, "currency": fields["currency"].strip().upper()})
    _refuse_bad_charges(price.charges)
    refuse_invalid(price)
    _refuse_fractions(price)
    _refuse_used_periods(price, now)
    price.save(force_insert=True)
    audit.record(action="price.created", actor=actor, obj=price, after=_told(price))
    return price


@transaction.atomic
def withdraw(*, price: Price, actor: Actor, now: datetime) -> None:
    """Take back a version that was not used yet. ``Refused`` where it was, or has begun."""
    locked = Price.objects.select_for_update().select_related("plan").get(pk=price.pk)
    begun = locked.valid_from <= _begun_somewhere(now)
    if begun or InvoiceLine.objects.filter(price=locked).exists():
        raise Refused("This price has begun, so it stays: make a new version.")
    audit.record(action="price.withdrawn", actor=actor, obj=locked, before=_told(locked))
    locked.delete()


def _refuse_bad_charges(charges: object) -> None:
    if not isinstance(charges, list) or not all(isinstance(each, dict) for each in charges):
        raise Refused("Write a list of charges, or [] for none.", field="charges")
    meters = [each.get("meter") for each in charges]
    if not all(isinstance(meter, str) and 0 < len(meter) <= 40 for meter in meters):
        raise Refused("Each charge names its meter, such as executions.", field="charges")
    if len(set(meters)) < len(meters):
        raise Refused("A meter has one charge.", field="charges")
    for each in charges:
        unknown = each.keys() - {"meter", "model", "tiers", "per", "included"}
        if unknown:
            raise Refused(f"A charge has no “{min(unknown)}”.", field="charges")
        try:
            pricing.charge_of(each)
        except ValueError as error:
            raise Refused(f"{each['meter']}: {error}", field="charges") from error


def _refuse_fractions(price: Price) -> None:
    """Amounts are what can be paid."""
    exponent = currencies.exponent(price.currency)
    for name in ("amount", "setup_fee"):
        value = getattr(price, name)
        if currencies.rounded(value, exponent) != value:
            raise Refused(f"{price.currency} has {exponent} decimals.", field=name)


def _refuse_used_periods(price: Price, now: datetime) -> None:
    others = Price.objects.filter(plan=price.plan, currency=price.currency, interval=price.interval)
    earliest = others.order_by("valid_from").values_list("valid_from", flat=True).first()
    if earliest is None or price.valid_from < earliest:
        return  # of days that had no price nothing was billed
    if price.valid_from <= _begun_somewhere(now) or _began(price):
        raise Refused(
            "Periods that run or were billed keep their price: choose a day after tomorrow.",
            field="valid_from",
        )


def _begun_somewhere(now: datetime) -> date:
    """The last day that may have begun by the clock of some client."""
    return now.date() + timedelta(days=1)


def _began(price: Price) -> bool:
    """Whether a period has begun on that day or later on the plan."""
    return Subscription.objects.filter(
        spans__plan=price.plan, interval=price.interval, unbilled_from__gte=price.valid_from
    ).exists()


def _told(price: Price) -> dict[str, Any]:
    return {
        "plan": price.plan.slug,
        "currency": price.currency,
        "interval": price.interval,
        "valid_from": str(price.valid_from),
        "amount": str(price.amount),
        "setup_fee": str(price.setup_fee),
        "trial_days": price.trial_days,
        "charges": price.charges,
    }
