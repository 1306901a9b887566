"""Coupons, and what they take off."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, TypedDict, cast

from django.db import transaction

from billing.models import BillingProfile, Coupon, Discount, Subscription
from billing.services import discounting, statement
from billing.services.periods import Days
from billing.services.statement import Item
from tenants.errors import Refused
from tenants.services import audit
from tenants.services.actors import Actor
from tenants.services.validation import refuse_invalid


class CouponFields(TypedDict):
    """What can be said of a coupon; ``periods`` and ``valid_until`` None are without an end."""

    code: str
    kind: str
    value: Decimal
    currency: str
    periods: int | None
    valid_until: date | None


@transaction.atomic
def create_coupon(*, actor: Actor, fields: CouponFields) -> Coupon:
    """A new coupon. ``Refused`` where a value is bad or the code is taken."""
    clean = {
        **fields,
        "code": fields["code"].strip().upper(),
        "currency": fields["currency"].strip().upper(),
    }
    coupon = Coupon(**clean)
    refuse_invalid(coupon)
    coupon.save(force_insert=True)
    told = {name: str(value) for name, value in clean.items() if value not in (None, "")}
    audit.record(action="coupon.created", actor=actor, obj=coupon, after=told)
    return coupon


@transaction.atomic
def redeem(*, subscription: Subscription, code: str, actor: Actor, on: date) -> Discount:
    """Give a subscription the coupon, from its next period on. ``Refused`` with the field."""
    coupon = Coupon.objects.filter(code=code.strip().upper()).first()
    if coupon is None or (coupon.valid_until is not None and coupon.valid_until < on):
        raise Refused(f"There is no coupon “{code}” that can be used now.", field="code")
    locked = Subscription.objects.select_for_update().get(pk=subscription.pk)
    profile = BillingProfile.objects.get(client=locked.client_id)
    if coupon.currency and coupon.currency != profile.currency:
        raise Refused(
            f"The coupon is in {coupon.currency}, and invoices are in {profile.currency}.",
            field="code",
        )
    discount = Discount(
        subscription=locked,
        coupon=coupon,
        first_day=locked.unbilled_from,
        periods_left=coupon.periods,
    )
    refuse_invalid(discount)
    discount.save(force_insert=True)
    audit.record(
        action="coupon.redeemed",
        actor=actor,
        client=locked.client,
        obj=locked.instance,
        after={"coupon": coupon.code},
    )
    return discount


Found = Mapping[uuid.UUID, Sequence[Discount]]


def of(subscriptions: Collection[uuid.UUID]) -> Found:
    """The discounts of each of them that have something left. One query."""
    found = defaultdict(list)
    rows = Discount.objects.filter(subscription__in=subscriptions).exclude(periods_left=0)
    for discount in rows.select_related("coupon").order_by("pk"):
        found[discount.subscription_id].append(discount)
    return found


def lines(
    discounts: Iterable[Discount], items: Sequence[Item], *, days: Days, exponent: int
) -> list[Item]:
    """What each takes off these lines of a period; those that did are one period less."""
    valid = [each for each in discounts if each.first_day <= days.first and each.periods_left != 0]
    net = sum((item.net for item in items), Decimal(0))
    if not valid or net <= 0:
        return []
    amounts = discounting.taken_off([_plain(each) for each in valid], net=net, exponent=exponent)
    found = []
    for discount, amount in zip(valid, amounts, strict=True):
        if amount:
            found.append(statement.taken_off(_name(discount.coupon), amount, days))
            if discount.periods_left is not None:
                discount.periods_left -= 1
    return found


def _plain(discount: Discount) -> discounting.Discount:
    kind = discounting.Kind(discount.coupon.kind)
    return discounting.Discount(kind, cast("Any", discount.coupon.value))


def _name(coupon: Coupon) -> str:
    value = f"{coupon.value.normalize():f} %" if coupon.kind == "percent" else "amount"
    return f"Discount {coupon.code}, {value}"
