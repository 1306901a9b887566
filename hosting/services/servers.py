"""Make and change servers, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Network
from typing import TypedDict, Unpack

from django.db import transaction
from django.db.models.functions import Now

from hosting.engines.observed import Capacity
from hosting.models import FleetAction, Incident, Operation, Server
from hosting.selectors import disk
from hosting.services.watching import incidents
from hosting.services.working import breaker, fleet
from tenants.errors import Refused
from tenants.services import audit
from tenants.services.actors import Actor
from tenants.services.validation import refuse_invalid


class ServerFields(TypedDict, total=False):
    """What can be said of a server; memory in MiB, disk in GiB."""

    engine: str
    endpoint: str
    cpus: Decimal
    memory_mb: int
    disk_gb: int
    supernet: str
    parallel_operations: int


@transaction.atomic
def create(*, name: str, actor: Actor, **fields: Unpack[ServerFields]) -> Server:
    """A new server, open for instances. Refused where a value is bad or the name is taken."""
    server = Server(name=name, **fields)
    refuse_invalid(server)
    _refuse_overlap(server)
    server.save(force_insert=True)
    after = {"name": name, **_plain(fields)}
    audit.record(action="server.created", actor=actor, obj=server, after=after)
    return server


@transaction.atomic
def update(*, server: Server, actor: Actor, **fields: Unpack[ServerFields]) -> Server:
    """Change what is given.

    Capacity may be set below what is reserved: nothing is moved, but nothing new is placed there.
    Refused for the address range and the engine where instances hold subnets of it: their
    networks would be looked for at the wrong place.
    """
    locked = Server.objects.select_for_update().get(pk=server.pk)
    after = {name: value for name, value in fields.items() if value != getattr(locked, name)}
    if not after:
        return locked
    for name in ("supernet", "engine"):
        if name in after and locked.subnets.exists():
            raise Refused("Instances are on this server, so this can't be changed.", field=name)
    before = {name: getattr(locked, name) for name in after}
    for name, value in after.items():
        setattr(locked, name, value)
    refuse_invalid(locked)
    if "supernet" in after:
        _refuse_overlap(locked)
    locked.save(update_fields=list(after))
    _record("server.updated", locked, actor, before, after)
    return locked


@transaction.atomic
def cordon(*, server: Server, actor: Actor) -> Server:
    """Place nothing new on the server; what is there stays and runs on.

    Raises ``Refused`` for one that is drained: what was stopped would not come back any more.
    """
    cordoned, before = _change_availability(server, Server.Availability.CORDONED)
    if before == Server.Availability.DRAINING:
        raise Refused(f"Server {server} is drained: nothing new is placed there. Open it first.")
    _record_availability("cordoned", cordoned, before, actor)
    return cordoned


@transaction.atomic
def drain(*, server: Server, actor: Actor, wave_size: int = 5) -> FleetAction | None:
    """Empty the server for maintenance: nothing new, and what runs is stopped, in waves.

    ``reopen`` starts what the drain stopped. None where nothing runs there. Raises ``Refused``
    where another fleet action is going on.
    """
    drained, before = _change_availability(server, Server.Availability.DRAINING)
    running = list(drained.instances.filter(state__in=fleet.RUNNING_STATES))
    action = None
    if running:
        action = fleet.begin(
            server=drained,
            kind=Operation.Kind.STOP,
            purpose=FleetAction.Purpose.DRAIN,
            instances=running,
            wave_size=wave_size,
            most_failures=len(running),  # one that won't stop is no reason to leave others running
            actor=actor,
        )
    _record_availability("drained", drained, before, actor)
    return action


@transaction.atomic
def reopen(*, server: Server, actor: Actor) -> Server:
    """Let new instances be placed on the server again, and start what a drain had stopped.

    Raises ``Refused`` while the drain is still stopping instances.
    """
    was = Server.objects.get(pk=server.pk).availability
    if was == Server.Availability.DRAINING:
        fleet.refuse_while_running(server=server)
    opened, before = _change_availability(server, Server.Availability.OPEN)
    stopped = fleet.stopped_by_drain(server=opened) if was == Server.Availability.DRAINING else []
    if stopped:
        fleet.begin(
            server=opened,
            kind=Operation.Kind.START,
            purpose=FleetAction.Purpose.REOPEN,
            instances=stopped,
            most_failures=len(stopped),
            actor=actor,
        )
    _record_availability("opened", opened, before, actor)
    return opened


def record_disk(*, server: Server, capacity: Capacity) -> None:
    """What the engine says of its disk, with an incident as long as too little is free."""
    server.disk_free_bytes = capacity.disk_free_bytes
    server.disk_total_bytes = capacity.disk_total_bytes
    server.save(update_fields=["disk_free_bytes", "disk_total_bytes"])
    kind = Incident.Kind.DISK_LOW
    if disk.is_low(server):
        incidents.open_for(kind=kind, server=server, summary=f"{disk.shortage(server)}.")
    else:
        incidents.close(kind=kind, server=server)


def take_round(*, server: Server, every: timedelta) -> bool:
    """Whether the caller is to compare the server now: due, answering, and taken by nobody else."""
    due = Server.objects.filter(pk=server.pk, reconcile_at__lte=Now())
    if not due.update(reconcile_at=Now() + every):
        return False
    return breaker.may_try(server=server)


def want_round(*, server: Server) -> None:
    """Have the server compared as soon as somebody can."""
    Server.objects.filter(pk=server.pk).update(reconcile_at=Now())


def record_round(*, server: Server) -> None:
    """The server was compared whole just now."""
    Server.objects.filter(pk=server.pk).update(reconciled_at=Now())


def record_events_until(*, server: Server, at: datetime) -> None:
    """Up to when the server's events have been heard."""
    Server.objects.filter(pk=server.pk).update(events_until=at)


def _change_availability(server: Server, availability: Server.Availability) -> tuple[Server, str]:
    """The server as it is then, locked, and its availability before."""
    locked = Server.objects.select_for_update().get(pk=server.pk)
    if locked.availability == availability:
        raise Refused(f"Server {locked} is {availability.name.lower()} already.")
    before = locked.availability
    locked.availability = availability
    locked.save(update_fields=["availability"])
    return locked, before


def _record_availability(verb: str, server: Server, before: str, actor: Actor) -> None:
    """Last: whoever writes to the audit log may lock no instance any more."""
    after = {"availability": server.availability}
    _record(f"server.{verb}", server, actor, {"availability": before}, after)


def _refuse_overlap(server: Server) -> None:
    """Refused where another server has such addresses as well.

    The edge knows an instance by its address alone: with the same one on two servers, a client's
    name would lead to another client's instance.
    """
    for other in Server.objects.exclude(pk=server.pk).order_by("name"):
        if IPv4Network(server.supernet).overlaps(IPv4Network(other.supernet)):
            raise Refused(
                f"{server.supernet} overlaps with {other.supernet} of server {other};"
                " choose a range of its own.",
                field="supernet",
            )


def _record(
    action: str,
    server: Server,
    actor: Actor,
    before: Mapping[str, object],
    after: Mapping[str, object],
) -> None:
    audit.record(action=action, actor=actor, obj=server, before=_plain(before), after=_plain(after))


def _plain(fields: Mapping[str, object]) -> dict[str, object]:
    return {
        name: str(value) if isinstance(value, Decimal | Server.Availability) else value
        for name, value in fields.items()
    }
