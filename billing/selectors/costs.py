"""What was spent on language models: by instance, model, day and month, and what has no price."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db import connection
from django.db.models import (
    Count,
    DecimalField,
    ExpressionWrapper,
    F,
    Min,
    Q,
    QuerySet,
    Sum,
    Window,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, RowNumber, TruncMonth

from billing.models import ModelCost
from hosting.models import Instance
from hosting.selectors.instances import LARGE
from tenants.models import Client

MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Spent:
    """Of one model in one day or month. ``amounts`` is by currency and exact, not rounded.

    ``unpriced`` of the requests have no rate yet, and are in none of the amounts.
    """

    begin: date
    model: str
    requests: int
    input: int
    output: int
    cached: int
    unpriced: int
    amounts: Mapping[str, Decimal]


def by_day(instance: Instance, *, since: date, until: date) -> Sequence[Spent]:
    """Each model on each day from ``since``, before ``until``. One query."""
    return _spent(_of(instance, since, until), F("on"))


def by_month(instance: Instance, *, since: date, until: date) -> Sequence[Spent]:
    """Each model in each month, named by its first day. One query."""
    return _spent(_of(instance, since, until), TruncMonth("on"))


def month_totals(
    instances: Collection[uuid.UUID], *, month: date
) -> Mapping[uuid.UUID, Mapping[str, Decimal]]:
    """What each of the instances spent in that month so far, by currency. One query."""
    rows = ModelCost.objects.filter(
        instance__in=instances, on__gte=month, on__lt=next_month(month), rate__isnull=False
    )
    totals: dict[uuid.UUID, dict[str, Decimal]] = defaultdict(dict)
    for instance, currency, amount in (
        rows.values_list("instance", "currency").annotate(spent=Sum("amount")).order_by()
    ):
        totals[instance][currency] = amount
    return totals


@dataclass(frozen=True, slots=True)
class Part:
    """What one model cost in a time, and of it its input, its input from the cache, its output.

    ``currency`` is empty, and the amounts are None, for what has no rate yet. Exact, not rounded.
    """

    model: str
    currency: str
    requests: int
    input: int
    cached: int
    output: int
    of_input: Decimal | None
    of_cached: Decimal | None
    of_output: Decimal | None
    amount: Decimal | None


def parts(instance: Instance, *, since: date, until: date) -> Sequence[Part]:
    """What the instance's cost is made of, the dearest first in each currency. One query."""
    rows = _of(instance, since, until).values("model", "currency")
    found = rows.annotate(
        requests_=Sum("requests"),
        input_=Sum("input"),
        cached_=Sum("cached"),
        output_=Sum("output"),
        of_input=_worth(F("input") - F("cached"), F("rate__input")),
        of_cached=_worth(F("cached"), Coalesce("rate__cached", "rate__input")),
        of_output=_worth(F("output"), F("rate__output")),
        amount_=Sum("amount"),
    )
    order = (F("currency").desc(), F("amount_").desc(nulls_last=True), "model")
    names = ("model", "currency", "requests_", "input_", "cached_", "output_")
    amounts = ("of_input", "of_cached", "of_output", "amount_")
    return [Part(*row) for row in found.order_by(*order).values_list(*names, *amounts)]


@dataclass(frozen=True, slots=True)
class OfInstance:
    """What one instance cost in a time, by currency. ``unpriced`` of its requests have no rate."""

    instance: Instance
    requests: int
    unpriced: int
    amounts: Mapping[str, Decimal]


def by_instance(client: Client, *, since: date, until: date) -> Sequence[OfInstance]:
    """Each of the client's instances that cost anything, deleted ones too, by name. Two queries."""
    of_client = ModelCost.objects.filter(instance__client=client, on__gte=since, on__lt=until)
    rows = of_client.order_by().values_list("instance", "currency")
    found: dict[uuid.UUID, list[tuple[str, int, Decimal | None]]] = defaultdict(list)
    for pk, *row in rows.annotate(Sum("requests"), Sum("amount")):
        found[pk].append(tuple(row))
    instances = Instance.objects.filter(pk__in=found).defer("definition", "expected")
    return [
        OfInstance(
            instance=each,
            requests=sum(number for _, number, _ in found[each.pk]),
            unpriced=sum(number for currency, number, _ in found[each.pk] if not currency),
            amounts={
                currency: amount for currency, _, amount in found[each.pk] if amount is not None
            },
        )
        for each in instances.order_by("name", "created_at")
    ]


@dataclass(frozen=True, slots=True)
class Dear:
    """An instance, and what it spent."""

    instance: Instance
    currency: str
    amount: Decimal


def dearest(*, since: date, most: int) -> Sequence[Dear]:
    """The instances that spent most from that day on, so many in each currency. Two queries."""
    spent = ModelCost.objects.filter(on__gte=since, rate__isnull=False, amount__gt=0)
    ranked = (
        spent.order_by()
        .values("currency", "instance")
        .annotate(total=Sum("amount"))
        .annotate(rank=Window(RowNumber(), "currency", F("total").desc()))
    )
    rows = list(ranked.filter(rank__lte=most).order_by("currency", "rank"))
    instances = Instance.objects.select_related("client", "plan").defer(*LARGE)
    known = instances.in_bulk([row["instance"] for row in rows])
    return [Dear(known[row["instance"]], row["currency"], row["total"]) for row in rows]


_MODELS = """
    WITH RECURSIVE found(model) AS (
        SELECT min(model) FROM billing_modelcost
        UNION ALL
        SELECT (SELECT min(model) FROM billing_modelcost WHERE model > found.model)
        FROM found WHERE found.model IS NOT NULL
    )
    SELECT model FROM found WHERE model IS NOT NULL
"""


def models() -> Sequence[str]:
    """All models that were ever used. One query, which goes from name to name in their index."""
    with connection.cursor() as cursor:
        cursor.execute(_MODELS)
        return [name for (name,) in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Unknown:
    """A model that was used and has no rate: since when, and how much."""

    model: str
    since: date
    requests: int
    instances: int


def unknown_models() -> Sequence[Unknown]:
    """The models that were used without a rate, the most used first. One query."""
    unpriced = ModelCost.objects.filter(rate=None).values_list("model")
    found = unpriced.annotate(
        since=Min("on"), total=Sum("requests"), instances=Count("instance", distinct=True)
    )
    return [Unknown(*row) for row in found.order_by("-total", "model")]


def next_month(month: date) -> date:
    """The first day of the month after it."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _worth(tokens: Combinable, price: Combinable) -> Sum:
    """Tokens by their price a million."""
    exact = DecimalField(max_digits=40, decimal_places=12)
    return Sum(ExpressionWrapper(tokens * price / MILLION, output_field=exact))


def _of(instance: Instance, since: date, until: date) -> QuerySet[ModelCost]:
    return ModelCost.objects.filter(instance=instance, on__gte=since, on__lt=until)


def _spent(rows: QuerySet[ModelCost], begin: Combinable) -> Sequence[Spent]:
    grouped = rows.values("model", "currency", begin=begin).annotate(
        requests_=Sum("requests"),
        input_=Sum("input"),
        output_=Sum("output"),
        cached_=Sum("cached"),
        unpriced_=Sum("requests", filter=Q(rate=None), default=0),
        amount_=Sum("amount"),
    )
    together: dict[tuple[date, str], list[Mapping[str, object]]] = defaultdict(list)
    for row in grouped.order_by("begin", "model", "currency"):
        together[row["begin"], row["model"]].append(row)
    return [_one(first, model, parts) for (first, model), parts in together.items()]


def _one(begin: date, model: str, parts: Sequence[Mapping[str, object]]) -> Spent:
    def total(name: str) -> int:
        return sum(int(str(part[name])) for part in parts)

    return Spent(
        begin=begin,
        model=model,
        requests=total("requests_"),
        input=total("input_"),
        output=total("output_"),
        cached=total("cached_"),
        unpriced=total("unpriced_"),
        amounts={
            str(part["currency"]): Decimal(str(part["amount_"]))
            for part in parts
            if part["currency"]
        },
    )
