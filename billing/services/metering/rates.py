"""Making and changing rates: whatever they are for is priced anew at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import TypedDict

from django.db import transaction

from billing.models import Rate
from billing.services.metering import costs
from tenants.services import audit
from tenants.services.actors import Actor
from tenants.services.validation import refuse_invalid


class RateFields(TypedDict):
    """A rate: prices are a million tokens; ``cached`` None is as other input."""

    model: str
    starts_on: date
    currency: str
    input: Decimal
    output: Decimal
    cached: Decimal | None


@transaction.atomic
def create(*, actor: Actor, fields: RateFields) -> Rate:
    """A new rate. ``Refused`` where a value is bad or the model has one from that day on."""
    rate = Rate(**_clean(fields))
    refuse_invalid(rate)
    rate.save(force_insert=True)
    priced = costs.price_again(model=rate.model)
    _record("rate.created", rate, actor, priced, before={})
    return rate


@transaction.atomic
def update(*, rate: Rate, actor: Actor, fields: RateFields) -> Rate:
    """Change a rate; the use of its model, before and now, is priced anew."""
    locked = Rate.objects.select_for_update().get(pk=rate.pk)
    before = _told(locked)
    for name, value in _clean(fields).items():
        setattr(locked, name, value)
    if _told(locked) == before:
        return locked
    refuse_invalid(locked)
    locked.save()
    priced = sum(costs.price_again(model=each) for each in {before["model"], locked.model})
    _record("rate.updated", locked, actor, priced, before=before)
    return locked


@transaction.atomic
def import_all(*, rates: Sequence[RateFields], actor: Actor) -> tuple[int, int]:
    """Make those that are not there, change those that are, by model and day; how many of each.

    All of them or, where one is refused, none.
    """
    made = changed = 0
    for fields in rates:
        clean = _clean(fields)
        known = Rate.objects.filter(model=clean["model"], starts_on=clean["starts_on"]).first()
        if known is None:
            create(actor=actor, fields=fields)
            made += 1
        else:
            before = _told(known)
            changed += _told(update(rate=known, actor=actor, fields=fields)) != before
    return made, changed


def _clean(fields: RateFields) -> RateFields:
    return {
        **fields,
        "model": fields["model"].strip().lower(),
        "currency": fields["currency"].strip().upper(),
    }


def _told(rate: Rate) -> dict[str, str]:
    names = ("model", "starts_on", "currency", "input", "output", "cached")
    return {name: _plain(getattr(rate, name)) for name in names}


def _plain(value: object) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value or "")


def _record(action: str, rate: Rate, actor: Actor, priced: int, *, before: dict[str, str]) -> None:
    after = {**_told(rate), "days_priced": priced}
    audit.record(action=action, actor=actor, obj=rate, before=before, after=after)
