"""How states are said and shown: a word, a shape and a colour for each, never colour alone."""

from __future__ import annotations

from dataclasses import dataclass

from hosting.models import Instance, Operation, OperationStep


@dataclass(frozen=True, slots=True)
class Status:
    """``tone`` picks the colour, ``icon`` the shape."""

    word: str
    tone: str
    icon: str
    spins: bool = False


INSTANCE = {
    Instance.State.NEW: Status("New", "stopped", "pending"),
    Instance.State.RUNNING: Status("Running", "running", "running"),
    Instance.State.STOPPED: Status("Stopped", "stopped", "stopped"),
    Instance.State.DEGRADED: Status("Degraded", "attention", "attention"),
    Instance.State.FAILED: Status("Failed", "broken", "broken"),
    Instance.State.DELETED: Status("Deleted", "stopped", "cancelled"),
}
SUSPENDED = Status("Suspended", "attention", "attention")
MAINTAINED = Status("Stopped for maintenance", "stopped", "stopped")
OPERATION = {
    Operation.State.QUEUED: Status("Waiting", "progress", "pending"),
    Operation.State.RUNNING: Status("In progress", "progress", "progress", spins=True),
    Operation.State.SUCCEEDED: Status("Done", "running", "done"),
    Operation.State.FAILED: Status("Failed", "broken", "broken"),
    Operation.State.CANCELLED: Status("Cancelled", "stopped", "cancelled"),
}
STEP = {
    OperationStep.State.PENDING: Status("To do", "stopped", "pending"),
    OperationStep.State.RUNNING: Status("Running", "progress", "progress", spins=True),
    OperationStep.State.DONE: Status("Done", "running", "done"),
    OperationStep.State.FAILED: Status("Failed", "broken", "broken"),
}
# What is going on, and what it is called when it is over.
DOING = {
    Operation.Kind.PROVISION: "Setting up",
    Operation.Kind.CLONE: "Setting up from a backup",
    Operation.Kind.START: "Starting",
    Operation.Kind.STOP: "Stopping",
    Operation.Kind.RESTART: "Restarting",
    Operation.Kind.REPAIR: "Putting right",
    Operation.Kind.RESTORE: "Restoring",
    Operation.Kind.REVERT: "Going back",
    Operation.Kind.UPGRADE: "Changing version or plan",
    Operation.Kind.REHEARSAL: "Rehearsing the change",
    Operation.Kind.BACKUP: "Backing up",
    Operation.Kind.RESTORE_TEST: "Testing a backup",
    Operation.Kind.DELETE: "Deleting",
}
CALLED = {
    Operation.Kind.PROVISION: "Set up",
    Operation.Kind.CLONE: "Set up from a backup",
    Operation.Kind.START: "Start",
    Operation.Kind.STOP: "Stop",
    Operation.Kind.RESTART: "Restart",
    Operation.Kind.REPAIR: "Repair",
    Operation.Kind.RESTORE: "Restore",
    Operation.Kind.REVERT: "Go back",
    Operation.Kind.UPGRADE: "Change version or plan",
    Operation.Kind.REHEARSAL: "Rehearsal",
    Operation.Kind.BACKUP: "Back up",
    Operation.Kind.RESTORE_TEST: "Restore test",
    Operation.Kind.DELETE: "Delete",
}
# Where the name can't simply follow the title.
_WITH_NAME = {
    "Set up from a backup": "Set up {} from a backup",
    "Setting up from a backup": "Setting up {} from a backup",
    "Change version or plan": "Change version or plan of {}",
    "Changing version or plan": "Changing version or plan of {}",
    "Go back": "Take {} back to before its last change",
    "Going back": "Taking {} back to before its last change",
}


def named(words: str, name: str) -> str:
    """What is done, said of the instance of that name; as it is where there is none."""
    return _WITH_NAME.get(words, f"{words} {{}}").format(name) if name else words
