"""Backup repositories: encrypted, deduplicated streams in a directory, on S3 or over SFTP.

The rest of Berth imports these names from here.
"""

from hosting.engines.restic.errors import (
    AWAY,
    BROKEN,
    Damaged,
    Locked,
    RepositoryMissing,
    TargetFull,
    TargetRefused,
    TargetUnavailable,
    WrongPassword,
)
from hosting.engines.restic.program import MINIMUM, require, version
from hosting.engines.restic.repository import Repository, Watch, open_repository
from hosting.engines.restic.target import Target
from hosting.engines.restic.values import Snapshot, Written

__all__ = [
    "AWAY",
    "BROKEN",
    "MINIMUM",
    "Damaged",
    "Locked",
    "Repository",
    "RepositoryMissing",
    "Snapshot",
    "Target",
    "TargetFull",
    "TargetRefused",
    "TargetUnavailable",
    "Watch",
    "Written",
    "WrongPassword",
    "open_repository",
    "require",
    "version",
]
