"""What many instances used, each in a stretch of days of its own, in one query."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db import connection

from hosting.catalog.meters import BUILT_IN, Meter
from hosting.models import Instance
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


_ADD_UP = ("sum", "count", "max")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Days of an instance by its client's clock: spans, each from a day on and before another."""

    instance_id: uuid.UUID
    spans: Sequence[tuple[date, date]]


def totals(
    stretches: Sequence[Stretch], *, meters: Collection[str]
) -> Sequence[Mapping[str, Decimal]]:
    """What was used in each stretch of those meters, all labels together, in the given order.

    Only of meters that add up over days or have a largest value: ``sum``, ``count`` and ``max``.
    ``ValueError`` with one sentence for any other.
    """
    found: list[dict[str, Decimal]] = [{} for _ in stretches]
    if not stretches or not meters:
        return found
    own = _declared(stretches, meters)
    for place, meter, total, count, maximum in _rows(stretches, meters):
        known = own[stretches[place].instance_id].get(meter)
        found[place][meter] = _value(meter, known, total, count, maximum)
    return found


def titles(instances: Collection[uuid.UUID]) -> Mapping[uuid.UUID, Mapping[str, Meter]]:
    """The meters of each of the instances. One query."""
    rows = Instance.objects.filter(pk__in=instances).order_by()
    declared = rows.values_list("pk", "definition__berth__meters")
    return {pk: with_own(meters) for pk, meters in declared}


def unchargeable(charged: Mapping[uuid.UUID, Collection[str]]) -> Mapping[uuid.UUID, str]:
    """Why not, for the instances of whose meters one has no total over days. One query or none.

    What is unique on each of two days is not known to be so on both, and a level has no sum.
    """
    own = [instance for instance, meters in charged.items() if not BUILT_IN.keys() >= set(meters)]
    found: dict[uuid.UUID, str] = {}
    for instance, known in titles(own).items() if own else ():
        for name in sorted(known.keys() & set(charged[instance])):
            kind = known[name].aggregation
            if kind not in _ADD_UP:
                found[instance] = (
                    f"The meter {name} is “{kind}” of its values, which can't be charged."
                )
    return found


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


def _value(name: str, meter: Meter | None, total: Decimal, count: int, maximum: Decimal) -> Decimal:
    match meter.aggregation if meter else "sum":
        case "sum":
            return total
        case "count":
            return Decimal(count)
        case "max":
            return maximum
        case other:
            raise ValueError(
                f"The meter {name} is “{other}” of its values, which can't be charged."
            )
