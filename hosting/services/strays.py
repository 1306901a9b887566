"""What a server holds under this installation's label and no instance claims."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from hosting.models import Incident, Server, Stray
from hosting.services.watching import incidents
from tenants.errors import Refused
from tenants.services import audit
from tenants.services.actors import Actor


@dataclass(frozen=True, slots=True)
class Seen:
    """One object as a round of the reconciler saw it."""

    kind: Stray.Kind
    reference: str
    name: str
    instance_label: str


def there(*, server: Server) -> QuerySet[Stray]:
    """What is known and was still there."""
    return Stray.objects.filter(server=server, ended_at=None)


@transaction.atomic
def note(*, server: Server, seen: Collection[Seen]) -> list[Stray]:
    """Write down what was seen, and what is gone; return what is there.

    One incident a server says that there is something to look at.
    """
    known = {(each.kind, each.reference): each for each in there(server=server)}
    found = {(each.kind.value, each.reference): each for each in seen}
    new = [
        Stray(
            server=server,
            kind=each.kind,
            reference=each.reference,
            name=each.name,
            instance_label=each.instance_label,
        )
        for key, each in found.items()
        if key not in known
    ]
    Stray.objects.bulk_create(new, ignore_conflicts=True)
    for key, stray in known.items():
        if key not in found:
            _end(stray)
    there(server=server).update(last_seen_at=timezone.now())
    left = list(there(server=server))
    _tell(server, len(left))
    return left


def quarantined(*, stray: Stray, note: str) -> None:
    """The container was stopped and cut off."""
    Stray.objects.filter(pk=stray.pk, state=Stray.State.FOUND).update(
        state=Stray.State.QUARANTINED, note=note
    )


def failed(*, stray: Stray, error: str) -> None:
    """The engine would not do what was wanted; it is tried again in the next round."""
    Stray.objects.filter(pk=stray.pk).update(note=error)


def left_alone(*, stray: Stray, note: str) -> None:
    """It is known to be there, and nothing is done to it for now."""
    if stray.note != note:
        Stray.objects.filter(pk=stray.pk).update(note=note)


@transaction.atomic
def removed(*, stray: Stray) -> None:
    """The engine removed it, as staff had asked for."""
    locked = Stray.objects.select_for_update().get(pk=stray.pk)
    if locked.ended_at is None:
        locked.state, locked.ended_at, locked.note = Stray.State.REMOVED, timezone.now(), ""
        locked.save(update_fields=["state", "ended_at", "note"])
        _tell(locked.server, there(server=locked.server).count())
        audit.record(
            action="stray.removed",
            actor=Actor.system("reconciler"),
            obj=locked,
            after={"kind": locked.kind, "name": locked.name, "server": locked.server.name},
        )


@transaction.atomic
def request_removal(*, stray: Stray, confirmation: str, actor: Actor) -> Stray:
    """Have it removed by a worker; ``confirmation`` has to be its name.

    Raises ``Refused`` where it is gone already, or asked for already.
    """
    locked = Stray.objects.select_for_update().get(pk=stray.pk)
    if not locked.is_there:
        raise Refused(f"{locked} is gone already.")
    if locked.state == Stray.State.REMOVAL_REQUESTED:
        raise Refused(f"{locked} is being removed already.")
    if confirmation != locked.name:
        raise Refused(f"Type {locked.name} to remove it.", field="confirmation")
    locked.state = Stray.State.REMOVAL_REQUESTED
    locked.save(update_fields=["state"])
    Server.objects.filter(pk=locked.server_id).update(reconcile_at=timezone.now())
    audit.record(
        action="stray.removal_requested",
        actor=actor,
        obj=locked,
        after={"kind": locked.kind, "name": locked.name, "server": locked.server.name},
    )
    return locked


def _end(stray: Stray) -> None:
    asked = stray.state == Stray.State.REMOVAL_REQUESTED
    stray.state = Stray.State.REMOVED if asked else Stray.State.GONE
    stray.ended_at = timezone.now()
    stray.save(update_fields=["state", "ended_at"])


def _tell(server: Server, count: int) -> None:
    if count:
        what = "object belongs" if count == 1 else "objects belong"
        incidents.open_for(
            kind=Incident.Kind.STRAY_OBJECTS,
            server=server,
            summary=f"{count} {what} to no instance on server {server}: look at them.",
        )
    else:
        incidents.close(kind=Incident.Kind.STRAY_OBJECTS, server=server)
