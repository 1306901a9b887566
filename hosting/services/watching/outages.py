"""From looks in a row to incidents: of an instance, of a server, or of the edge.

One thing that carries many is one incident. While it goes on its instances have none of their own;
those that are still down when it is over get one then.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from hosting.models import Health, Incident, Instance, Server
from hosting.selectors import disk, reasons
from hosting.selectors.watching import targets
from hosting.services.watching import incidents, part_outages
from hosting.services.watching.outage_rules import Count, is_carrier_down, is_instance_down

_Kind = Incident.Kind
_FOLLOWED = (
    _Kind.INSTANCE_DOWN,
    _Kind.PART_DOWN,
    _Kind.SERVER_DOWN,
    _Kind.EDGE_DOWN,
    _Kind.SERVER_UNREACHABLE,
)
_LOCK = 0x42657274680006  # pg_advisory_xact_lock: one process settles at a time
FRESH = 4  # intervals; who was not looked at for longer says nothing of its server
NOT_LOOKED_AT = "It is not to run any more, so nobody looks whether it answers."
STILL_DOWN = "The server answers again."


@dataclass(slots=True)
class _Carried:
    """How the instances on one server, or behind the edge, stand."""

    watched: list[Health]
    failing: list[Health]

    @property
    def count(self) -> Count:
        return Count(len(self.watched), len(self.failing))


@transaction.atomic
def settle(*, now: datetime) -> list[Incident]:
    """Open and close what the looks give cause to; the incidents of instances that were opened."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    changed = _follow()
    are_parts_down = part_outages.follow()
    open_now = _open_incidents()
    if not changed and not open_now and not are_parts_down:
        return []
    down = list(_rows().filter(is_down=True))
    silent = _settle_servers(down, open_now, now)
    is_edge_down = _settle_edge(down, open_now, now)
    covered = {
        each.pk
        for each in down
        if each.instance.server_id in silent or (is_edge_down and each.is_answering)
    }
    opened = _settle_instances(down, covered, now)
    return [*opened, *part_outages.settle(silent=silent, now=now)]


def _follow() -> bool:
    """Bring ``is_down`` up to date; whether any changed. Who is not looked at is not down."""
    away = Health.objects.exclude(instance__in=targets.watched()).filter(is_down=True)
    changed = away.update(is_down=False, failures=0, successes=0, failing_since=None)
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
        changed += same.update(
            is_down=row.is_down, failing_since=row.failing_since if row.is_down else None
        )
    return bool(changed)


def _open_incidents() -> list[Incident]:
    going_on = Incident.objects.filter(kind__in=_FOLLOWED, closed_at=None)
    return list(going_on.select_related("server", "instance"))


def _settle_servers(
    down: Sequence[Health], open_now: Sequence[Incident], now: datetime
) -> set[uuid.UUID]:
    """The servers whose own trouble it is that their instances are down."""
    of_kind = {each.server_id: each for each in open_now if each.kind == _Kind.SERVER_DOWN}
    silent = {each.server_id for each in open_now if each.kind == _Kind.SERVER_UNREACHABLE}
    suspects = {each.instance.server_id for each in down if not each.is_answering}
    carried = _carried(suspects | of_kind.keys(), now)
    for server in Server.objects.filter(pk__in=suspects | of_kind.keys()):
        count = carried[server.pk].count
        if is_carrier_down(is_down=server.pk in of_kind, count=count):
            silent.add(server.pk)
            incidents.open_for(
                kind=_Kind.SERVER_DOWN,
                server=server,
                summary=_summary(server, count),
                cause=_server_cause(server),
                now=now,
            )
        elif server.pk in of_kind:
            incidents.close(kind=_Kind.SERVER_DOWN, server=server, why=STILL_DOWN, now=now)
    return {each for each in silent if each is not None}


def _carried(servers: Iterable[uuid.UUID | None], now: datetime) -> dict[uuid.UUID, _Carried]:
    """By server: those that were looked at lately, and those of them that fail by themselves."""
    fresh = now - FRESH * timedelta(seconds=settings.BERTH_PROBE_SECONDS)
    found: dict[uuid.UUID, _Carried] = defaultdict(lambda: _Carried([], []))
    looked_at = _rows().filter(instance__server__in=servers, at__gte=fresh)
    for each in looked_at.filter(instance__in=targets.watched()):
        found[each.instance.server_id].watched.append(each)
        if not each.is_answering:
            found[each.instance.server_id].failing.append(each)
    return found


def _settle_edge(down: Sequence[Health], open_now: Sequence[Incident], now: datetime) -> bool:
    """Whether the edge is what fails: the apps answer, and hardly one of them at its address."""
    was_down = any(each.kind == _Kind.EDGE_DOWN for each in open_now)
    if not was_down and not any(each.is_answering for each in down):
        return False
    fresh = now - FRESH * timedelta(seconds=settings.BERTH_PROBE_SECONDS)
    behind = Health.objects.filter(instance__in=targets.watched(), at__gte=fresh, is_answering=True)
    count = Count(behind.count(), behind.filter(is_up=False).count())
    is_down = is_carrier_down(is_down=was_down, count=count)
    if is_down:
        summary = (
            f"{count.failing} of {count.watched} instances answer, but not at their public address."
        )
        incidents.open_for(kind=_Kind.EDGE_DOWN, summary=summary, now=now)
    elif was_down:
        incidents.close(kind=_Kind.EDGE_DOWN, why="The addresses answer again.", now=now)
    return is_down


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
    return _server_cause(instance.server) or part_outages.cause_of(instance)


def _server_cause(server: Server) -> str:
    if disk.is_low(server):
        return f"{disk.shortage(server)}."
    if server.silent_since is not None:
        return f"Its engine has been silent since {server.silent_since:%H:%M} UTC."
    return ""


def _summary(server: Server, count: Count) -> str:
    return f"{count.failing} of {count.watched} instances on server {server} do not answer."


def _is_watched(instance: Instance) -> bool:
    return targets.watched().filter(pk=instance.pk).exists()


def _rows() -> QuerySet[Health]:
    return Health.objects.select_related("instance__server", "instance__client")
