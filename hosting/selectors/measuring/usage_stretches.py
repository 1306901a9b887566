"""What many instances used, each in a stretch of days of its own, in a few queries.

What adds up is the sum of the days. What does not is a level that costs a whole period's price for
all of its days: of a part of them, it is the level there by the share of the days.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from django.db import connection

from hosting.catalog.meters import BUILT_IN, Meter
from hosting.models import Instance
from hosting.selectors.measuring import usage_levels_sql as sql
from hosting.selectors.measuring.usage_meters import with_own

# One look into the index for each span, however many instances there are: a planner that thinks of
# joining reads all of the table once it has grown.
_SUMS = """
SELECT wanted.place, used.meter, sum(used.total), sum(used.count), max(used.maximum)
FROM unnest(%(places)s::int[], %(instances)s::uuid[], %(firsts)s::date[], %(ends)s::date[])
    AS wanted (place, instance, first, after)
CROSS JOIN LATERAL (
    SELECT meter, sum(total) AS total, sum(count) AS count, max(maximum) AS maximum
    FROM hosting_usagesum
    WHERE instance_id = wanted.instance AND span = 'day'
        AND "on" >= wanted.first AND "on" < wanted.after AND meter = ANY(%(meters)s)
    GROUP BY meter
) AS used
GROUP BY wanted.place, used.meter
"""
ADD_UP = ("sum", "count")
_SIX = Decimal("0.000001")
_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Days of an instance by its client's clock: spans, each from a day on and before another.

    ``of`` is how many days the period has that they are a part of; without it they are all of it.
    """

    instance_id: uuid.UUID
    spans: Sequence[tuple[date, date]]
    of: int | None = None

    @property
    def days(self) -> int:
        """How many days it has."""
        return sum((end - first).days for first, end in self.spans)


def totals(
    stretches: Sequence[Stretch], *, meters: Collection[str]
) -> Sequence[Mapping[str, Decimal]]:
    """What was used in each stretch of those meters, all labels together, in the given order.

    ``sum`` and ``count`` are of all the days; of ``max``, ``unique``, ``latest`` and
    ``time_weighted`` it is the share of a period that the days are: the largest value, how many
    different subjects, the last level, and the average of the days, rounded to six decimals.
    """
    found: list[dict[str, Decimal]] = [{} for _ in stretches]
    if not stretches or not meters:
        return found
    own = _declared(stretches, meters)
    for place, meter, total, count, maximum in _rows(stretches, meters):
        stretch = stretches[place]
        match _kind(own[stretch.instance_id].get(meter)):
            case "sum":
                found[place][meter] = total
            case "count":
                found[place][meter] = Decimal(count)
            case "max":
                found[place][meter] = shared(maximum, stretch)
    for place, meter, value in _levels(stretches, meters, own):
        found[place][meter] = value
    return found


def shared(level: Decimal, stretch: Stretch) -> Decimal:
    """What of a period's level is of those days, rounded half-up to six decimals."""
    return _portion(level * stretch.days, stretch)


def averaged(levels: Iterable[Decimal], stretch: Stretch) -> Decimal:
    """The days' levels together by all days of the period, rounded half-up to six decimals."""
    return _portion(sum(levels, Decimal(0)), stretch)


def titles(instances: Collection[uuid.UUID]) -> Mapping[uuid.UUID, Mapping[str, Meter]]:
    """The meters of each of the instances. One query."""
    rows = Instance.objects.filter(pk__in=instances).order_by()
    declared = rows.values_list("pk", "definition__berth__meters")
    return {pk: with_own(meters) for pk, meters in declared}


def _portion(product: Decimal, stretch: Stretch) -> Decimal:
    of = Decimal(stretch.of or stretch.days)
    return _EXACT.divide(product, of).quantize(_SIX, context=_EXACT)


def _kind(meter: Meter | None) -> str:
    return meter.aggregation if meter else "sum"


def _declared(
    stretches: Sequence[Stretch], meters: Collection[str]
) -> Mapping[uuid.UUID, Mapping[str, Meter]]:
    """Berth's own meters are the same for every instance, and need no query."""
    if BUILT_IN.keys() >= set(meters):
        return defaultdict(lambda: BUILT_IN)
    return titles({each.instance_id for each in stretches})


def _rows(
    stretches: Sequence[Stretch], meters: Collection[str]
) -> Sequence[tuple[int, str, Decimal, int, Decimal]]:
    spans = [
        (place, each.instance_id, first, end)
        for place, each in enumerate(stretches)
        for first, end in each.spans
    ]
    names = ("places", "instances", "firsts", "ends")
    arrays = dict(zip(names, map(list, zip(*spans, strict=True)), strict=True))
    with connection.cursor() as cursor:
        cursor.execute(_SUMS, {**arrays, "meters": list(meters)})
        rows: Sequence[tuple[int, str, Decimal, int, Decimal]] = cursor.fetchall()
    return rows


def _levels(
    stretches: Sequence[Stretch],
    meters: Collection[str],
    own: Mapping[uuid.UUID, Mapping[str, Meter]],
) -> Iterator[tuple[int, str, Decimal]]:
    """What is no sum of rows; a query for each way of counting that is asked for, mostly none."""
    wanted: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for place, stretch in enumerate(stretches):
        for name in meters:
            wanted[_kind(own[stretch.instance_id].get(name))].append((place, name))
    for kind, statement in sql.STATEMENTS.items():
        if not wanted[kind]:
            continue
        with connection.cursor() as cursor:
            cursor.execute(statement, _arrays(stretches, wanted[kind]))
            rows = cursor.fetchall()
        for place, name, value in rows:
            stretch = stretches[place]
            is_average = kind == "time_weighted"
            told = averaged([value], stretch) if is_average else shared(Decimal(value), stretch)
            yield place, name, told


def _arrays(stretches: Sequence[Stretch], wanted: Sequence[tuple[int, str]]) -> dict[str, Any]:
    rows = [
        (place, stretches[place].instance_id, name, first, end)
        for place, name in wanted
        for first, end in stretches[place].spans
    ]
    names = ("places", "instances", "meters", "firsts", "ends")
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
