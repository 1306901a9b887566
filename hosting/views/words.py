"""Audit events in words."""

from __future__ import annotations

from tenants.models import AuditEvent

_WORDS = {
    "instance.ordered": "ordered",
    "instance.provision_requested": "asked to set up",
    "instance.start_requested": "asked to start",
    "instance.stop_requested": "asked to stop",
    "instance.restart_requested": "asked to restart",
    "instance.delete_requested": "asked to delete",
    "operation.cancel_requested": "called off a change of",
    "client.created": "created the client",
    "client.updated": "changed the settings of",
    "member.added": "added the member",
    "member.role_changed": "changed the role of",
    "member.removed": "removed the member",
}
_ENDED = {
    "operation.succeeded": {
        "provision": "set up",
        "start": "started",
        "stop": "stopped",
        "restart": "restarted",
        "delete": "deleted",
    },
    "operation.failed": {
        "provision": "failed to set up",
        "start": "failed to start",
        "stop": "failed to stop",
        "restart": "failed to restart",
        "delete": "failed to delete",
    },
    "operation.cancelled": {
        "provision": "stopped setting up",
        "start": "stopped starting",
        "stop": "called off stopping",
        "restart": "called off restarting",
        "delete": "called off deleting",
    },
}


def in_words(event: AuditEvent) -> str:
    """The action as the verb between who and what; an unknown one reads as it is written."""
    ended = _ENDED.get(event.action)
    if ended:
        return ended.get(str(event.after.get("kind")), event.action)
    known = _WORDS.get(event.action)
    if known:
        return known
    noun, _, verb = event.action.partition(".")
    return f"{verb} {noun}".replace("_", " ").strip()
