"""From looks in a row to incidents: of an instance, of a server, or of the edge.

One thing that carries many is one incident (``carriers``). While it goes on its instances have none
of their own; those that are still down a moment after it is over get one then.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet

from hosting.models import Health, Incident, Instance
from hosting.selectors import reasons
from hosting.selectors.watching import targets
from hosting.services.watching import carriers, incidents, part_outages
from hosting.services.watching.outage_rules import is_instance_down

_Kind = Incident.Kind
_FOLLOWED = (
    _Kind.INSTANCE_DOWN,
    _Kind.PART_DOWN,
    _Kind.SERVER_DOWN,
    _Kind.EDGE_DOWN,
    _Kind.SERVER_UNREACHABLE,
)
_LOCK = 0x42657274680006  # pg_advisory_xact_lock: one process settles at a time
NOT_LOOKED_AT = "It is not to run any more, so nobody looks whether it answers."


@transaction.atomic
def settle(*, now: datetime) -> list[Incident]:
    """Open and close what the looks give cause to; the incidents of instances that were opened."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    _follow()
    are_parts_down = part_outages.follow()
    open_now = _open_incidents()
    down = list(_rows().filter(is_down=True))
    if not down and not open_now and not are_parts_down:
        return []
    carriers_now = carriers.settle(down=down, open_now=open_now, now=now)
    covered = {each.pk for each in down if carriers_now.carries(each)}
    opened = _settle_instances(down, covered, now)
    return [*opened, *part_outages.settle(carriers=carriers_now, now=now)]


def _follow() -> None:
    """Bring ``is_down`` up to date. Who is not looked at is not down, and begins anew."""
    is_failing = Q(is_down=True) | Q(failures__gt=0)
    away = Health.objects.exclude(instance__in=targets.watched()).filter(is_failing)
    away.update(is_down=False, failures=0, successes=0, failing_since=None)
    open_after, close_after = settings.BERTH_PROBE_FAILURES, settings.BERTH_PROBE_SUCCESSES
    lost = Health.objects.filter(is_down=False, failures__gte=open_after)
    found = Health.objects.filter(is_down=True, successes__gte=close_after)
    for row in [*lost, *found]:
        row.is_down = is_instance_down(
            is_down=row.is_down,
            failures=row.failures,
            successes=row.successes,
            open_after=open_after,
            close_after=close_after,
        )
        same = Health.objects.filter(pk=row.pk, at=row.at)
        same.update(is_down=row.is_down, failing_since=row.failing_since if row.is_down else None)


def _open_incidents() -> list[Incident]:
    going_on = Incident.objects.filter(kind__in=_FOLLOWED, closed_at=None)
    return list(going_on.select_related("server", "instance"))


def _settle_instances(
    down: Sequence[Health], covered: set[uuid.UUID], now: datetime
) -> list[Incident]:
    """One incident for each that is down by itself, and none for the others."""
    going_on = Incident.objects.filter(kind=_Kind.INSTANCE_DOWN, closed_at=None)
    had = {each.instance_id: each for each in going_on.select_related("instance__client")}
    opened = []
    for each in down:
        incident = had.pop(each.pk, None)
        if each.pk in covered:
            if incident is not None and incident.instance is not None:
                incidents.close(
                    kind=_Kind.INSTANCE_DOWN,
                    instance=incident.instance,
                    why=part_outages.CARRIED,
                    is_carried=True,
                    now=now,
                )
        elif incident is None:
            opened.append(_open(each, now))
    for over in had.values():
        if over.instance is not None:
            why = incidents.OVER if _is_watched(over.instance) else NOT_LOOKED_AT
            incidents.close(kind=_Kind.INSTANCE_DOWN, instance=over.instance, why=why, now=now)
    return opened


def _open(health: Health, now: datetime) -> Incident:
    instance = health.instance
    since = health.failing_since or health.at
    return incidents.open_for(
        kind=_Kind.INSTANCE_DOWN,
        instance=instance,
        summary=f"{instance} does not answer since {since:%Y-%m-%d %H:%M:%S} UTC: {health.error}.",
        cause=_known_cause(instance),
        now=now,
    )


def _known_cause(instance: Instance) -> str:
    """What the reconciler has found out already, or the state of the server says."""
    if instance.state == Instance.State.DEGRADED and instance.state_reason:
        return reasons.taken_apart(instance.state_reason).sentence
    found = instance.drifts.filter(settled_at=None).order_by("found_at").first()
    if found is not None:
        return f"{found.found[:1].upper()}{found.found[1:].rstrip('.')}."
    return carriers.server_cause(instance.server) or part_outages.cause_of(instance)


def _is_watched(instance: Instance) -> bool:
    return targets.watched().filter(pk=instance.pk).exists()


def _rows() -> QuerySet[Health]:
    return Health.objects.select_related("instance__server", "instance__client")
