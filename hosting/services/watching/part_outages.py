"""Incidents of instances that answer while a container of theirs is not well: a worker, say.

Where the app does not answer either, that is the incident (``outages``), and what the containers
show is its cause.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.conf import settings

from hosting.models import ContainerHealth, Health, Incident, Instance
from hosting.selectors.watching import targets
from hosting.services.watching import container_rules, incidents
from hosting.services.watching.carriers import Carriers

FRESH = 4  # intervals; what was not looked at for longer is not known
CARRIED = "It is part of an incident that is about more than this instance."
NOT_LOOKED_AT = "It is not to run any more, so nobody looks at its containers."
WELL = "All its containers are well."

_OUT_OF_MEMORY = "It needed more memory than its limit, and was ended for it."
_FIRST_WORDS = "Of its containers, "
_KIND = Incident.Kind.PART_DOWN


def follow() -> bool:
    """Whether there may be anything to settle. What is not looked at any more fails no longer."""
    away = ContainerHealth.objects.exclude(instance__in=targets.watched()).filter(failures__gt=0)
    away.update(is_failing=False, failures=0, successes=0, failing_since=None)
    return ContainerHealth.objects.filter(is_failing=True).exists()


def settle(*, carriers: Carriers, now: datetime) -> list[Incident]:
    """Open and close them; those that were opened.

    A silent engine leaves them as they are, and so does a server that has just come back: its
    containers are started one after the other. None begins with a look that found all well.
    """
    failing = ContainerHealth.objects.filter(is_failing=True).select_related(
        "instance__server", "instance__client", "instance__health"
    )
    going_on = Incident.objects.filter(kind=_KIND, closed_at=None)
    had = {each.instance_id: each for each in going_on.select_related("instance__client")}
    explained = _degraded()
    left_alone = carriers.silent | carriers.just_back
    opened = []
    for each in failing:
        incident = had.pop(each.pk, None)
        if each.instance.server_id in carriers.servers:
            if incident is not None:
                incidents.close(
                    kind=_KIND, instance=each.instance, why=CARRIED, is_carried=True, now=now
                )
        elif each.instance.server_id in left_alone:
            continue
        elif incident is None and each.pk not in explained and _is_worth_one(each, now):
            opened.append(_open(each, now))
    for over in had.values():
        if over.instance is not None:
            incidents.close(kind=_KIND, instance=over.instance, why=_why(over.instance), now=now)
    return opened


def cause_of(instance: Instance) -> str:
    """What its containers show at the moment, in a sentence; empty where they are well."""
    seen = ContainerHealth.objects.filter(instance=instance, is_well=False).first()
    return f"{_FIRST_WORDS}{seen.shown}." if seen is not None else ""


def may_be_told_better(cause: str) -> bool:
    """Whether a closer look at the containers, and at their log, can say more than that."""
    return cause in ("", _OUT_OF_MEMORY) or cause.startswith(_FIRST_WORDS)


def _degraded() -> set[uuid.UUID | None]:
    """Those of which an incident says already that a part of them does not run."""
    going_on = Incident.objects.filter(kind=Incident.Kind.INSTANCE_DEGRADED, closed_at=None)
    return set(going_on.values_list("instance", flat=True))


def _is_worth_one(seen: ContainerHealth, now: datetime) -> bool:
    """Whether an incident of it can begin: it is not well at the moment, and the app answers."""
    return not seen.is_well and _answers(seen.instance, now)


def _answers(instance: Instance, now: datetime) -> bool:
    """Whether the app answered when it was last asked; where nobody asks, that it may."""
    try:
        health = instance.health
    except Health.DoesNotExist:
        return True
    fresh = now - FRESH * timedelta(seconds=settings.BERTH_PROBE_SECONDS)
    return health.is_answering or health.at < fresh


def _open(seen: ContainerHealth, now: datetime) -> Incident:
    since = seen.failing_since or seen.at
    return incidents.open_for(
        kind=_KIND,
        instance=seen.instance,
        summary=f"{seen.instance} runs only in part since {since:%Y-%m-%d %H:%M:%S} UTC: "
        f"{seen.faults}.",
        cause=_OUT_OF_MEMORY if container_rules.OUT_OF_MEMORY in seen.faults else "",
        now=now,
    )


def _why(instance: Instance) -> str:
    return WELL if targets.watched().filter(pk=instance.pk).exists() else NOT_LOOKED_AT
