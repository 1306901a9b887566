"""How long an app's runs took, as its own database tells: each run once, in its own time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from hosting.models import Instance, UsageCounter
from hosting.services.measuring import usage_events
from hosting.services.measuring.usage_checks import LARGEST, SKEW, Usage

OWN_SOURCE = "berth:runs"  # no app may call itself so
OVERLAP = timedelta(minutes=2)  # a run may be written down a while after it ended
_LONGEST_ID = 100


@dataclass(frozen=True, slots=True)
class Run:
    """A run that ended: what the app calls it, when it ended, how long it took, and as what."""

    id: str
    ended_at: datetime
    seconds: float
    label: str


def since(*, instance: Instance, meter: str, now: datetime) -> datetime | None:
    """From when on to ask for runs; None where nothing was counted since that was last asked."""
    counters = {each.series: each for each in instance.usage_counters.all()}
    last = counters.pop(_name(meter), None)
    if last is None:
        return max(instance.created_at, now - settings.BERTH_USAGE_OLDEST)
    begin = last.read_at - OVERLAP
    if counters and all(each.read_at < begin for each in counters.values()):
        return None
    return begin


@transaction.atomic
def record(
    *, instance: Instance, meter: str, runs: Sequence[Run], asked_at: datetime, is_all: bool
) -> int:
    """Write down what was not known yet; how many runs that were.

    Where there were more than could be told, the rest is asked for the next time. A run that can't
    be counted, with an impossible time or length, is left out.
    """
    last = instance.usage_counters.filter(series=_name(meter)).first()
    usages = [_usage(meter, run) for run in runs if _counts(run, instance, asked_at)]
    written = usage_events.write(instance_id=instance.pk, usages=usages, now=asked_at)
    # The next time begins ``OVERLAP`` before: at the last one's end, or it would tell the same.
    until = asked_at if is_all or not runs else min(asked_at, runs[-1].ended_at + OVERLAP)
    UsageCounter.objects.update_or_create(
        instance=instance,
        series=_name(meter),
        defaults={"value": (last.value if last else 0) + written, "read_at": until},
    )
    return written


def _counts(run: Run, instance: Instance, now: datetime) -> bool:
    earliest = max(now - settings.BERTH_USAGE_OLDEST, instance.created_at - SKEW)
    return math.isfinite(run.seconds) and (
        0 <= run.seconds <= LARGEST and earliest <= run.ended_at <= now + SKEW
    )


def _name(meter: str) -> str:
    """Among the instance's counters, as which no series of Prometheus can be called."""
    return f"runs: {meter}"


def _usage(meter: str, run: Run) -> Usage:
    return Usage(
        at=run.ended_at,
        meter=meter,
        label=run.label[:100],
        amount=run.seconds,
        key="",
        is_level=False,
        input=None,
        output=None,
        cached=None,
        source=OWN_SOURCE,
        # With its end: after a restore an app gives the same names to other runs.
        event_id=f"{meter} {run.id[:_LONGEST_ID]} {run.ended_at.isoformat()}",
    )
