"""Going back after a restore or an upgrade, and recording what became of either."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from hosting.models import Backup, Footing, Instance, Move, Operation
from hosting.selectors import moves
from hosting.services.working import operations
from tenants.errors import Refused
from tenants.models import Client
from tenants.services.actors import Actor


@transaction.atomic
def revert(*, instance: Instance, actor: Actor) -> Move:
    """Ask for the data, and the version, of before. Raises ``Refused`` where it is not kept."""
    operation = request(instance=instance, kind=Operation.Kind.REVERT, actor=actor)
    move = moves.reversible(instance=operation.instance, now=timezone.now())
    if move is None:
        raise Refused(f"{instance.name} has no data of before a change to go back to.")
    move.reverted_by, move.trouble = operation, ""
    move.save(update_fields=["reverted_by", "trouble"])
    return move


def request(
    *,
    instance: Instance,
    kind: Operation.Kind,
    actor: Actor,
    told: Mapping[str, str] | None = None,
) -> Operation:
    """Ask for the operation of a move; ``told`` is for the audit log beside it.

    The caller is in a transaction. Raises ``Refused``.
    """
    client = Client.objects.select_for_update(no_key=True).get(pk=instance.client_id)
    if not client.is_active:
        raise Refused(f"{client} is inactive: its instances can only be stopped or deleted.")
    return operations.request(instance=instance, kind=kind, actor=actor, told=told)


def record_safety(*, move: Move) -> Backup:
    """The row of the backup that is made before; the same one at each call.

    The caller is in a transaction that holds the operation's lease, as for all below.
    """
    if move.safety is None:
        move.safety = Backup.objects.create(
            instance=move.operation.instance,
            operation=move.operation,
            trigger=Backup.Trigger.SAFETY,
        )
        move.save(update_fields=["safety"])
    return move.safety


def record_footing(*, instance: Instance, footing: Footing, expected: Mapping[str, object]) -> None:
    """The instance stands on that, and looks like that on its server, from now on."""
    footing.put_under(instance)
    instance.expected = dict(expected)
    names = [each.name.removesuffix("_id") for each in fields(footing)]
    instance.save(update_fields=[*names, "expected"])


def record_done(*, move: Move, seconds: float | None) -> None:
    """The instance was switched over. The data of before is kept from now on for a while."""
    move.seconds = seconds
    move.kept_until = timezone.now() + settings.BERTH_RESTORE_KEEP if move.keeps_data else None
    move.save(update_fields=["seconds", "kept_until"])


def record_reverted(*, move: Move) -> None:
    """The instance is back on what it stood on before."""
    move.undone_at = timezone.now()
    move.save(update_fields=["undone_at"])


def record_taken_back(*, move: Move, operation: Operation) -> None:
    """What the operation had recorded holds no more: it was taken back."""
    if move.operation_id == operation.pk:
        move.seconds = move.kept_until = None
    else:
        move.undone_at = None
    move.trouble = ""
    move.save(update_fields=["seconds", "kept_until", "undone_at", "trouble"])


def record_trouble(*, move: Move, trouble: str) -> None:
    """Why the app did not come back with what it had before."""
    move.trouble = trouble
    move.save(update_fields=["trouble"])
