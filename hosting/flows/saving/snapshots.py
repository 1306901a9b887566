"""What a backup has in its repository: one snapshot for each stream of it.

Each carries the backup it belongs to, and the fencing token of the operation under which it was
written: so that of several attempts the latest wins, however late a frozen worker wakes up.
"""

from __future__ import annotations

from collections.abc import Collection

from hosting.engines.restic import Repository, Snapshot, Written
from hosting.models import Backup

_FENCE = "fence:"  # of a snapshot: under which fencing token of the operation it was written


def tags(backup: Backup, *, fence: int) -> tuple[str, str]:
    """What those carry that are written of it under that fencing token."""
    return tag(backup), f"{_FENCE}{fence}"


def tag(backup: Backup) -> str:
    """What the snapshots of one backup have in common."""
    return f"backup:{backup.pk}"


def written_of(backup: Backup) -> tuple[Written, ...]:
    """Every stream that was written for it, the manifest last."""
    return tuple(Written(**each) for each in backup.stored)


def forget_earlier(store: Repository, backup: Backup, *, fence: int) -> None:
    """Forget what attempts under lower fences have left of the backup.

    Never what came later: this worker may have been frozen for long, and its successor done.
    """
    found = store.snapshots(tags=[tag(backup)])
    store.forget([each.id for each in found if _fence_of(each) < fence])


def sweep(store: Repository, gone: Collection[Backup]) -> None:
    """Forget whatever the repository still holds of these."""
    tags = {tag(each) for each in gone}
    store.forget([each.id for each in store.snapshots() if each.tags & tags])


def _fence_of(snapshot: Snapshot) -> int:
    """Under which it was written; 0 for one of a Berth that did not say."""
    said = [each.removeprefix(_FENCE) for each in snapshot.tags if each.startswith(_FENCE)]
    return max((int(each) for each in said if each.isdecimal()), default=0)
