"""Counting up what an app's own counters gained, also over its restarts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from hosting.models import Instance, UsageCounter
from hosting.services.measuring import usage_events
from hosting.services.measuring.usage_checks import LARGEST, OWN_SOURCE, Usage


@dataclass(frozen=True, slots=True)
class Reading:
    """Where a counter stands, and what it counts for. ``series`` is the counter's name here."""

    series: str
    meter: str
    label: str
    value: float


@transaction.atomic
def record(*, instance: Instance, readings: Sequence[Reading], read_at: datetime) -> int:
    """Write down what each counter gained since it was last read; how many gained something.

    A counter that stands lower than it did began anew at zero when its app did. One that was never
    seen has counted since then too. A reading from before the last one says nothing.
    """
    Instance.objects.select_for_update(no_key=True).only("pk").get(pk=instance.pk)
    known = {each.series: each for each in instance.usage_counters.all()}
    usages = []
    for reading in readings:
        before = known.get(reading.series)
        if before is not None and before.read_at >= read_at:
            continue
        gained = _gained(reading, before)
        UsageCounter.objects.update_or_create(
            instance=instance,
            series=reading.series,
            defaults={"value": reading.value, "read_at": read_at},
        )
        if gained:
            usages.append(_usage(reading, gained, read_at))
    return usage_events.write(instance_id=instance.pk, usages=usages, now=read_at)


def _gained(reading: Reading, before: UsageCounter | None) -> float:
    if before is None or reading.value < before.value:
        return min(reading.value, LARGEST)
    return min(reading.value - before.value, LARGEST)


def _usage(reading: Reading, gained: float, read_at: datetime) -> Usage:
    return Usage(
        at=read_at,
        meter=reading.meter,
        label=reading.label,
        amount=gained,
        key="",
        is_level=False,
        input=None,
        output=None,
        cached=None,
        source=OWN_SOURCE,
        event_id=f"{reading.series} {read_at.isoformat()}"[:200],
    )
