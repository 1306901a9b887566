"""Make and change servers, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from ipaddress import IPv4Network
from typing import TypedDict, Unpack

from django.db import transaction
from django.utils import timezone

from hosting.models import Server
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


def cordon(*, server: Server, actor: Actor) -> Server:
    """Place nothing new on the server; what is there stays and runs on."""
    return _set_availability(server, Server.Availability.CORDONED, "cordoned", actor)


def reopen(*, server: Server, actor: Actor) -> Server:
    """Let new instances be placed on the server again."""
    return _set_availability(server, Server.Availability.OPEN, "opened", actor)


def record_answer(*, server: Server) -> None:
    """The server's engine answered just now."""
    Server.objects.filter(pk=server.pk).update(last_answered_at=timezone.now(), last_error="")


def record_silence(*, server: Server, error: str) -> None:
    """The server's engine did not answer."""
    Server.objects.filter(pk=server.pk).update(last_error=error)


@transaction.atomic
def _set_availability(
    server: Server, availability: Server.Availability, verb: str, actor: Actor
) -> Server:
    locked = Server.objects.select_for_update().get(pk=server.pk)
    if locked.availability == availability:
        state = "open" if availability == Server.Availability.OPEN else "cordoned"
        raise Refused(f"Server {locked} is {state} already.")
    before = {"availability": locked.availability}
    locked.availability = availability
    locked.save(update_fields=["availability"])
    _record(f"server.{verb}", locked, actor, before, {"availability": availability})
    return locked


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
