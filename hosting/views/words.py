"""Audit events in words."""

from __future__ import annotations

import re
from datetime import datetime

from django.utils.dateparse import parse_datetime

from tenants.models import AuditEvent

_WORDS = {
    "instance.ordered": "ordered",
    "instance.provision_requested": "asked to set up",
    "instance.clone_requested": "asked to set up from a backup",
    "instance.restore_test_requested": "began to test a backup in",
    "instance.start_requested": "asked to start",
    "instance.stop_requested": "asked to stop",
    "instance.restart_requested": "asked to restart",
    "instance.restore_requested": "asked to restore",
    "instance.revert_requested": "asked to take back the last change of",
    "instance.upgrade_requested": "asked to change the version or plan of",
    "instance.rehearsal_requested": "asked to rehearse a change of",
    "instance.new_versions_set": "chose when new versions come to",
    "instance.repair_requested": "began to put right",
    "instance.backup_requested": "asked to back up",
    "instance.delete_requested": "asked to delete",
    "instance.suspended": "suspended",
    "instance.resumed": "gave back",
    "instance.degraded": "could not put right",
    "instance.recovered": "saw well again",
    "backup.downloaded": "downloaded a backup of",
    "backup.pinned": "chose to keep a backup of",
    "backup.unpinned": "let go of a kept backup of",
    "backup.removed": "let go, by its plan, of a backup of",
    "backup_store.destroyed": "removed all backups of",
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
        "clone": "set up from a backup",
        "restore_test": "tested a backup in",
        "rehearsal": "rehearsed a change in",
        "start": "started",
        "stop": "stopped",
        "restart": "restarted",
        "repair": "put right",
        "restore": "restored",
        "revert": "took back the last change of",
        "upgrade": "changed the version or plan of",
        "backup": "backed up",
        "delete": "deleted",
    },
    "operation.failed": {
        "provision": "failed to set up",
        "clone": "failed to set up from a backup",
        "restore_test": "failed to bring back a backup in",
        "rehearsal": "failed to rehearse a change in",
        "start": "failed to start",
        "stop": "failed to stop",
        "restart": "failed to restart",
        "repair": "failed to put right",
        "restore": "failed to restore",
        "revert": "failed to take back the last change of",
        "upgrade": "failed to change the version or plan of",
        "backup": "failed to back up",
        "delete": "failed to delete",
    },
    "operation.cancelled": {
        "provision": "stopped setting up",
        "clone": "stopped setting up from a backup",
        "restore_test": "stopped testing a backup in",
        "rehearsal": "stopped rehearsing a change in",
        "start": "stopped starting",
        "stop": "called off stopping",
        "restart": "called off restarting",
        "repair": "stopped putting right",
        "restore": "called off restoring",
        "revert": "called off taking back the last change of",
        "upgrade": "called off changing the version or plan of",
        "backup": "stopped backing up",
        "delete": "called off deleting",
    },
}

# Parts of Berth sign as "Berth (reconciler)"; people sign with an address, which ends otherwise.
_BERTH_ITSELF = re.compile(r"Berth \([\w-]+\)")


def author(label: str) -> str:
    """Who did it, as a client reads it: which part of Berth it was says nothing to them."""
    return "Berth" if _BERTH_ITSELF.fullmatch(label) else label


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


def backup_moment(event: AuditEvent) -> datetime | None:
    """When the backup was made that it is about; None where it is about none, or says nothing."""
    try:
        return parse_datetime(str(event.after.get("taken_at", "")))
    except ValueError:
        return None
