"""What can be done to an instance by a button, and why not just now."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse

from hosting.models import Instance, Operation
from hosting.selectors import maintenance
from hosting.services.working import operations
from hosting.views.presentation import InstanceView
from hosting.views.restored import Restored
from hosting.views.states import DOING
from tenants.permissions import Permission
from tenants.views.access import ClientRequest

_VERBS = (
    (Operation.Kind.START, "Start", "start", "instance_start"),
    (Operation.Kind.STOP, "Stop", "stop", "instance_stop"),
    (Operation.Kind.RESTART, "Restart", "restart", "instance_restart"),
    (Operation.Kind.PROVISION, "Try again", "restart", "instance_retry"),
)
# What to do next where it does not run well; where it does, opening it is.
_NEXT: dict[str, str] = {
    Instance.State.STOPPED: Operation.Kind.START,
    Instance.State.DEGRADED: Operation.Kind.RESTART,
    Instance.State.FAILED: Operation.Kind.PROVISION,
}


@dataclass(frozen=True, slots=True)
class Button:
    """Something that can be done to an instance in its state; ``why_not`` disables it.

    ``is_main`` is for the one thing to do next.
    """

    kind: str
    label: str
    icon: str
    url: str
    why_not: str = ""
    is_main: bool = False


def _next(instance: Instance) -> str:
    return _NEXT.get(instance.state, "")


def buttons(request: ClientRequest, shown: InstanceView) -> list[Button]:
    """What the member may do and the state allows; all wait while something is going on."""
    if not request.may(Permission.OPERATE_INSTANCE):
        return []
    allowed = operations.allowed_kinds(shown.instance)
    busy = why_not(shown)
    if shown.instance.state == Instance.State.NEW and shown.active:
        return []  # there is nothing yet that could be stopped, and nothing to try again
    where = [request.client.slug, shown.instance.name]
    return [
        Button(kind, label, icon, reverse(view, args=where), busy, kind == _next(shown.instance))
        for kind, label, icon, view in _VERBS
        if kind in allowed
    ]


def back_up(request: ClientRequest, shown: InstanceView) -> Button | None:
    """Making a backup now; None where that can't be, or the member may not."""
    kind = Operation.Kind.BACKUP
    allowed = kind in operations.allowed_kinds(shown.instance)
    if not allowed or not request.may(Permission.MAKE_BACKUP):
        return None
    url = reverse("instance_back_up", args=[request.client.slug, shown.instance.name])
    return Button(kind, "Back up now", "backup", url, why_not(shown))


def go_back(request: ClientRequest, shown: InstanceView, restored: Restored) -> Button | None:
    """Going back to the data of before; None where there is no way, or the member may not."""
    kind = Operation.Kind.REVERT
    allowed = restored.move is not None and kind in operations.allowed_kinds(shown.instance)
    if not allowed or not request.may(Permission.RESTORE_BACKUP):
        return None
    url = reverse("instance_go_back", args=[request.client.slug, shown.instance.name])
    return Button(kind, "Go back", "back", url, why_not(shown))


def why_not(shown: InstanceView) -> str:
    """Why nothing can be done to it now; empty where it can. A repair that waits gives way."""
    active = shown.active.operation if shown.active else None
    if active and (active.kind, active.state) != (Operation.Kind.REPAIR, Operation.State.QUEUED):
        return f"Not while it is {DOING[Operation.Kind(active.kind)].lower()}."
    if maintenance.is_stopped_for_it(shown.instance):
        return "Not during the maintenance; it starts again by itself."
    return ""
