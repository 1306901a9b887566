"""Pricing what was used: as it is summed up, and anew when a rate is entered or changed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from django.db import connection, transaction
from django.db.models import Max

from billing.models import ModelCost
from billing.selectors.rates import Rates, of_models
from billing.services.metering import rating
from hosting.selectors.measuring import usage

LOCK = 0x42657274680B02  # pg_advisory_xact_lock: what is used is priced by one at a time
AT_ONCE = 2000
_OF_USE = ("requests", "input", "output", "cached", "usage_at")
_OF_RATE = ("rate", "currency", "amount")


def price_new() -> int:
    """Price the days that were summed up since the last time; how many model's days those were.

    While a rate is being entered nothing is priced: it is the next time.
    """
    last = ModelCost.objects.aggregate(Max("usage_at"))["usage_at__max"]
    days = iter(usage.model_days(computed_since=last))
    done = 0
    while (part := list(islice(days, AT_ONCE))) and _price(part):
        done += len(part)
    return done


@transaction.atomic
def _price(days: Sequence[usage.ModelDay]) -> bool:
    """Whether it was done: by rates that nobody changes meanwhile, as he'd not see these days."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return False
    rates = of_models({day.model.lower() for day in days})
    costs = [_cost(day) for day in days]
    for cost in costs:
        _apply(cost, rates)
    ModelCost.objects.bulk_create(
        costs,
        update_conflicts=True,
        unique_fields=["instance", "on", "model"],
        update_fields=[*_OF_USE, *_OF_RATE],
    )
    return True


def take_turn() -> None:
    """Wait for who prices just now. The caller is in a transaction, and has locked no rate yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def price_again(*, model: str) -> int:
    """Price all use of a model anew, after its rates were changed; how many days that changed.

    The caller is in a transaction, and took its turn before it wrote any rate.
    """
    rates = of_models({model})
    rows = iter(ModelCost.objects.filter(model__iexact=model).iterator(chunk_size=AT_ONCE))
    changed = 0
    while part := list(islice(rows, AT_ONCE)):
        priced = []
        for cost in part:
            before = (cost.rate_id, cost.currency, cost.amount)
            _apply(cost, rates)
            if (cost.rate_id, cost.currency, cost.amount) != before:
                priced.append(cost)
        _write(priced)
        changed += len(priced)
    return changed


# A ``bulk_update`` says each value in a CASE of its own: of thousands of rows that took minutes.
_WRITE = """
UPDATE billing_modelcost AS cost
SET rate_id = priced.rate, currency = priced.currency, amount = priced.amount
FROM unnest(%s::bigint[], %s::uuid[], %s::text[], %s::numeric[])
    AS priced (id, rate, currency, amount)
WHERE cost.id = priced.id
"""


def _write(priced: Sequence[ModelCost]) -> None:
    if not priced:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _WRITE,
            [
                [each.pk for each in priced],
                [each.rate_id for each in priced],
                [each.currency for each in priced],
                [each.amount for each in priced],
            ],
        )


def _cost(day: usage.ModelDay) -> ModelCost:
    return ModelCost(
        instance_id=day.instance_id,
        model=day.model,
        on=day.on,
        requests=day.requests,
        input=day.input,
        output=day.output,
        cached=day.cached,
        usage_at=day.computed_at,
    )


def _apply(cost: ModelCost, rates: Rates) -> None:
    rate = rating.rate_on(rates.get(cost.model.lower(), ()), cost.on)
    if rate is None:
        cost.rate, cost.currency, cost.amount = None, "", None
        return
    cost.rate, cost.currency = rate, rate.currency
    cost.amount = rating.price(rate, given=cost.input, answered=cost.output, cached=cost.cached)
