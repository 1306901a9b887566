"""What staff can have done to an instance, who may, and what it means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest
from django.utils import timezone

from hosting.models import ACTIVE_STATES, Instance, Operation
from hosting.selectors.moves import reversible
from hosting.services import instances, moves
from hosting.services.saving import backups
from hosting.services.working import operations

START, OPERATE, BACKUP, RESTORE, DOWNLOAD, DELETE = (
    "hosting.start_instance",
    "hosting.operate_instance",
    "hosting.make_backup",
    "hosting.restore_backup",
    "hosting.download_backup",
    "hosting.delete_instance",
)


@dataclass(frozen=True, slots=True)
class Verb:
    """A button. ``asks`` says whether it leads to a page that asks once more."""

    name: str
    label: str
    icon: str
    permission: str
    kind: Operation.Kind
    run: Callable[..., object]
    meaning: str
    asks: bool = False

    def allowed(self, request: HttpRequest) -> bool:
        """Whether the person may do it at all."""
        return request.user.has_perm(self.permission)


VERBS: dict[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(
            "start",
            "Start",
            "play_arrow",
            START,
            Operation.Kind.START,
            instances.start,
            "Its services start again and its address leads to it.",
        ),
        Verb(
            "retry",
            "Try again",
            "replay",
            OPERATE,
            Operation.Kind.PROVISION,
            instances.retry,
            "It is brought up again from where it stands.",
        ),
        Verb(
            "restart",
            "Restart",
            "restart_alt",
            START,
            Operation.Kind.RESTART,
            instances.restart,
            "Its services stop and start; it can't be reached for a moment.",
        ),
        Verb(
            "stop",
            "Stop",
            "stop",
            OPERATE,
            Operation.Kind.STOP,
            instances.stop,
            "Its services stop and its address shows that it is stopped. Its data stays.",
            asks=True,
        ),
        Verb(
            "backup",
            "Back up now",
            "backup",
            BACKUP,
            Operation.Kind.BACKUP,
            backups.request,
            "Its data is saved and read back. It runs on, but for what its app has to pause.",
        ),
        Verb(
            "revert",
            "Go back",
            "undo",
            RESTORE,
            Operation.Kind.REVERT,
            moves.revert,
            "It goes back to what it was before its last restore or upgrade; what was done since is"
            " left behind. It is away for some minutes.",
            asks=True,
        ),
        Verb(
            "delete",
            "Delete",
            "delete",
            DELETE,
            Operation.Kind.DELETE,
            instances.delete,
            "Its services, its database, its files and its keys are removed for good.",
            asks=True,
        ),
    )
}


def possible(instance: Instance, request: HttpRequest) -> list[Verb]:
    """What this person can have done to it now: nothing while an operation is going on."""
    if instance.operations.filter(state__in=ACTIVE_STATES).exists():
        return []
    kinds = operations.allowed_kinds(instance)
    if not instance.client.is_active:
        allowed = (*instances.WHEN_INACTIVE, Operation.Kind.BACKUP)  # its data is still in our care
        kinds = tuple(kind for kind in kinds if kind in allowed)
    verbs = [verb for verb in VERBS.values() if verb.kind in kinds and verb.allowed(request)]
    return [verb for verb in verbs if verb.kind != Operation.Kind.REVERT or _has_way_back(instance)]


def _has_way_back(instance: Instance) -> bool:
    return reversible(instance=instance, now=timezone.now()) is not None
