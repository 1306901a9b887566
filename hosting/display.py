"""The words and tones of hosting's states."""

from __future__ import annotations

from django.utils.safestring import SafeString

from hosting.models import Instance, Operation, OperationStep, Server
from tenants.display import Tone, badge

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


def instance_state(instance: Instance) -> SafeString:
    """What is known of the instance."""
    return badge(instance.get_state_display(), INSTANCE[instance.state])


def operation_state(operation: Operation) -> SafeString:
    """How the operation stands; a queued one that failed before waits for its next attempt."""
    if operation.is_active and operation.cancel_requested_at:
        return badge("Being called off", "warn")
    if operation.state == Operation.State.QUEUED and operation.attempt:
        return badge("Trying again", "warn")
    return badge(operation.get_state_display(), OPERATION[operation.state])


def server_state(server: Server) -> SafeString:
    """Whether the server answers and takes instances."""
    if server.last_error:
        return badge("Does not answer", "bad")
    if server.availability == Server.Availability.CORDONED:
        return badge("Cordoned", "warn")
    return badge("Open", "ok")
