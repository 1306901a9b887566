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
    """Where a counter stands, and what it counts for. ``series`` is the counter's name here.

    ``started`` is when the app's process began, in seconds since 1970, where it says so.
    """

    series: str
    meter: str
    label: str
    value: float
    started: float | None = None


@transaction.atomic
def record(*, instance: Instance, readings: Sequence[Reading], read_at: datetime) -> int:
    """Write down what each counter gained since it was last read; how many gained something.

    A counter that stands lower than it did, or whose app's process is another one, began anew at
    zero. One that was never seen has counted since then too. A reading from before the last one
    says nothing, and one that changed nothing is not written down.
    """
    Instance.objects.select_for_update(no_key=True).only("pk").get(pk=instance.pk)
    known = {each.series: each for each in instance.usage_counters.all()}
    changed, usages = [], []
    for reading in readings:
        before = known.get(reading.series)
        if before is not None and (before.read_at >= read_at or _is_same(reading, before)):
            continue
        changed.append(_counter(instance, reading, read_at))
        gained = _gained(reading, before)
        if gained:
            usages.append(_usage(reading, gained, read_at))
    UsageCounter.objects.bulk_create(
        changed,
        update_conflicts=True,
        unique_fields=["instance", "series"],
        update_fields=["value", "read_at", "started"],
    )
    return usage_events.write(instance_id=instance.pk, usages=usages, now=read_at)


def _is_same(reading: Reading, before: UsageCounter) -> bool:
    return (reading.value, reading.started) == (before.value, before.started)


def _gained(reading: Reading, before: UsageCounter | None) -> float:
    if before is None or reading.value < before.value or _is_another(reading, before):
        return min(reading.value, LARGEST)
    return min(reading.value - before.value, LARGEST)


def _is_another(reading: Reading, before: UsageCounter) -> bool:
    """Whether it is another process's, as far as that is known of both."""
    return None not in (reading.started, before.started) and reading.started != before.started


def _counter(instance: Instance, reading: Reading, read_at: datetime) -> UsageCounter:
    return UsageCounter(
        instance=instance,
        series=reading.series,
        value=reading.value,
        started=reading.started,
        read_at=read_at,
    )


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
