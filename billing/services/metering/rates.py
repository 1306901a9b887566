"""Making and changing rates: whatever they are for is priced anew at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Literal, TypedDict

from django.db import transaction

from billing.models import Rate
from billing.services.metering import costs
from tenants.errors import Refused
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
    costs.take_turn()
    rate = Rate(**_clean(fields))
    refuse_invalid(rate)
    rate.save(force_insert=True)
    priced = costs.price_again(model=rate.model)
    _record("rate.created", rate, actor, priced, before={})
    return rate


@transaction.atomic
def update(*, rate: Rate, actor: Actor, fields: RateFields) -> Rate:
    """Change a rate; the use of its model, before and now, is priced anew."""
    costs.take_turn()
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

    All of them or, where one is refused, none. ``Refused`` names the row, counted from 1.
    """
    costs.take_turn()
    _refuse_twice(rates)
    done = []
    for number, fields in enumerate(rates, start=1):
        try:
            done.append(_import(fields, actor))
        except Refused as refused:
            what = f"{refused.field}: " if refused.field else ""
            raise Refused(f"Row {number}: {what}{refused.message}") from refused
    return done.count("made"), done.count("changed")


def _import(fields: RateFields, actor: Actor) -> Literal["made", "changed", "same"]:
    clean = _clean(fields)
    known = Rate.objects.filter(model=clean["model"], starts_on=clean["starts_on"]).first()
    if known is None:
        create(actor=actor, fields=fields)
        return "made"
    before = _told(known)
    return "changed" if _told(update(rate=known, actor=actor, fields=fields)) != before else "same"


def _refuse_twice(rates: Sequence[RateFields]) -> None:
    """Of two rates of a model from the same day on only one can be meant."""
    first: dict[tuple[str, date], int] = {}
    for number, fields in enumerate(map(_clean, rates), start=1):
        earlier = first.setdefault((fields["model"], fields["starts_on"]), number)
        if earlier != number:
            raise Refused(
                f"Row {number}: {fields['model']} has a rate from {fields['starts_on']} on in"
                f" row {earlier} already."
            )


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
