"""The words and tones of hosting's states."""

from __future__ import annotations

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from hosting.models import (
    Backup,
    FleetAction,
    FleetActionItem,
    Incident,
    Instance,
    Move,
    Operation,
    OperationStep,
    Rollout,
    RolloutItem,
    Server,
    Stray,
    Trial,
)
from hosting.selectors import trials
from hosting.selectors.measuring.meters import Meter
from tenants.display import Tone, badge, number

INSTANCE: dict[str, Tone] = {
    Instance.State.NEW: "busy",
    Instance.State.RUNNING: "ok",
    Instance.State.STOPPED: "idle",
    Instance.State.DEGRADED: "warn",
    Instance.State.FAILED: "bad",
    Instance.State.DELETED: "idle",
}
OPERATION: dict[str, Tone] = {
    Operation.State.QUEUED: "busy",
    Operation.State.RUNNING: "busy",
    Operation.State.SUCCEEDED: "ok",
    Operation.State.FAILED: "bad",
    Operation.State.CANCELLED: "idle",
}
STEP: dict[str, Tone] = {
    OperationStep.State.PENDING: "idle",
    OperationStep.State.RUNNING: "busy",
    OperationStep.State.DONE: "ok",
    OperationStep.State.FAILED: "bad",
}
FLEET_ACTION: dict[str, Tone] = {
    FleetAction.State.RUNNING: "busy",
    FleetAction.State.SUCCEEDED: "ok",
    FleetAction.State.STOPPED: "warn",
}
FLEET_ITEM: dict[str, Tone] = {
    FleetActionItem.State.WAITING: "idle",
    FleetActionItem.State.RUNNING: "busy",
    FleetActionItem.State.SUCCEEDED: "ok",
    FleetActionItem.State.FAILED: "bad",
    FleetActionItem.State.SKIPPED: "idle",
}
ROLLOUT: dict[str, Tone] = {
    Rollout.State.RUNNING: "busy",
    Rollout.State.SUCCEEDED: "ok",
    Rollout.State.STOPPED: "warn",
}
ROLLOUT_ITEM: dict[str, Tone] = {
    RolloutItem.State.WAITING: "idle",
    RolloutItem.State.REHEARSING: "busy",
    RolloutItem.State.CHANGING: "busy",
    RolloutItem.State.SUCCEEDED: "ok",
    RolloutItem.State.FAILED: "bad",
    RolloutItem.State.SKIPPED: "idle",
}
STRAY: dict[str, Tone] = {
    Stray.State.FOUND: "warn",
    Stray.State.QUARANTINED: "warn",
    Stray.State.REMOVAL_REQUESTED: "busy",
    Stray.State.REMOVED: "ok",
    Stray.State.GONE: "idle",
}


def instance_state(instance: Instance) -> SafeString:
    """What is known of the instance."""
    if instance.suspended_at and not instance.is_deleted:
        return badge("Suspended", "warn")
    return badge(instance.get_state_display(), INSTANCE[instance.state])


def operation_state(operation: Operation) -> SafeString:
    """How the operation stands; a queued one that failed before waits for its next attempt."""
    if operation.is_active and operation.undoing:
        return badge("Being taken back", "warn")
    if operation.is_active and operation.cancel_requested_at:
        return badge("Being called off", "warn")
    if operation.state == Operation.State.QUEUED and operation.attempt:
        return badge("Trying again", "warn")
    return badge(operation.get_state_display(), OPERATION[operation.state])


def server_answer(server: Server) -> SafeString:
    """Whether the server answers. One missed answer is not silence yet: see the breaker."""
    if server.is_silent:
        return badge("Does not answer", "bad")
    if server.last_error:
        return badge("Missed an answer", "warn")
    if server.last_answered_at is None:
        return badge("Not asked yet", "idle")
    return badge("Answers", "ok")


def server_availability(server: Server, *, is_emptying: bool) -> SafeString:
    """Whether it takes instances; ``is_emptying`` says that a drain is still going on."""
    match server.availability:
        case Server.Availability.CORDONED:
            return badge("Cordoned", "warn")
        case Server.Availability.DRAINING:
            return badge("Draining", "busy") if is_emptying else badge("Drained", "warn")
    return badge("Open", "ok")


def incident_state(incident: Incident) -> SafeString:
    """Whether it goes on."""
    return badge("Open", "bad") if incident.is_open else badge("Over", "idle")


def fleet_action_state(action: FleetAction) -> SafeString:
    """How the action stands."""
    return badge(action.get_state_display(), FLEET_ACTION[action.state])


def fleet_item_state(item: FleetActionItem) -> SafeString:
    """How it stands with one instance of an action."""
    return badge(item.get_state_display(), FLEET_ITEM[item.state])


def backup_state(backup: Backup) -> SafeString:
    """What it is worth; an attempt that ended otherwise counts for nothing."""
    if backup.removed_at is not None:
        return badge("Let go", "idle")
    if backup.verified_at is not None:
        return badge("Proven", "ok")
    if backup.operation is None:
        return badge("Not proven", "idle")
    return operation_state(backup.operation)


def move_state(move: Move) -> SafeString:
    """What became of a restore or an upgrade."""
    if move.undone_at is not None:
        return badge("Gone back", "idle")
    if move.trouble:
        return badge("Did not come back", "warn")
    return operation_state(move.operation)


def trial_state(trial: Trial) -> SafeString:
    """What a restore test or a rehearsal said, with its operations from its selector."""
    if trial.passed:
        return badge("Passed", "ok")
    operation = trials.operation_of(trial)
    if trial.passed is None:
        return operation_state(operation)
    if operation.cancel_requested_at is not None:
        return badge("Called off", "idle")
    return badge("Failed", "bad")


def rollout_state(rollout: Rollout) -> SafeString:
    """How the rollout stands."""
    if rollout.is_held:
        return badge("Paused", "warn")
    return badge(rollout.get_state_display(), ROLLOUT[rollout.state])


def rollout_item_state(item: RolloutItem) -> SafeString:
    """How it stands with one instance of a rollout."""
    return badge(item.get_state_display(), ROLLOUT_ITEM[item.state])


def stray_state(stray: Stray) -> SafeString:
    """What became of it."""
    return badge(stray.get_state_display(), STRAY[stray.state])


def bar(meter: Meter) -> SafeString:
    """How full something is, in words and as a bar. Not a template: a page has 150 of them."""
    said: str = escape(meter.text)
    if not said:
        of = f"<strong>{number(meter.used)}</strong> of {number(meter.capacity)}"
        said = f"{of} {escape(meter.unit)}".rstrip()
    given = "" if meter.text else " given away"
    return mark_safe(  # noqa: S308 (escaped, and otherwise numbers)
        f'<div class="b-meter"><span class="b-meter-text">{said}</span>'
        f'<svg class="b-bar" role="img" aria-label="{escape(meter.label)}: '
        f'{meter.percent} %{given}">'
        f'<rect class="b-fill-{meter.tone}" width="{meter.width}%" height="6" rx="3" /></svg></div>'
    )
