"""What plans cost a client: the versions that are valid on a day."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from billing.models import BillingProfile, Price
from tenants.models import Client


@dataclass(frozen=True, slots=True)
class Terms:
    """In which currency and how often a client pays."""

    currency: str
    interval: str


def terms_of(client: Client) -> Terms:
    """As its billing details say; without them as they begin. One query."""
    profile = BillingProfile.objects.filter(client=client).first() or BillingProfile()
    return Terms(profile.currency, profile.interval)


def valid_on(plans: Collection[uuid.UUID], terms: Terms, *, on: date) -> Mapping[uuid.UUID, Price]:
    """The price of each plan that something has which begins on that day. One query."""
    prices = Price.objects.filter(
        plan__in=plans, currency=terms.currency, interval=terms.interval, valid_from__lte=on
    )
    return {price.plan_id: price for price in prices.order_by("valid_from")}


def all_valid_on(plans: Collection[uuid.UUID], *, on: date) -> Mapping[uuid.UUID, Sequence[Price]]:
    """The prices of each plan that something has which begins on that day, of every currency and
    interval, in order. One query.
    """
    prices = Price.objects.filter(plan__in=plans, valid_from__lte=on).order_by("valid_from")
    newest = {(each.plan_id, each.currency, each.interval): each for each in prices}
    found: dict[uuid.UUID, list[Price]] = {}
    for key in sorted(newest, key=lambda each: each[1:]):
        found.setdefault(key[0], []).append(newest[key])
    return found
