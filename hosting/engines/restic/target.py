"""Where repositories live: a directory, a bucket or a directory on another server."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from hosting.engines.errors import GiveUp
from hosting.engines.restic.errors import TargetUnavailable
from hosting.engines.restic.places import Kind, sftp_parts

_SSH = (
    "ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=30 -o ServerAliveCountMax=4"
)


@dataclass(frozen=True, slots=True)
class Target:
    """A place for repositories. Nothing is asked of it before a repository is used.

    ``location`` is an absolute path, ``s3:https://host/bucket/prefix`` or ``sftp:user@host:/path``.
    ``environment`` is for restic alone (``AWS_ACCESS_KEY_ID`` and the like), ``options`` are
    restic's extended ones. Where nothing moves for ``stall``, restic is ended.
    """

    location: str
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    options: tuple[str, ...] = ()
    stall: timedelta = timedelta(minutes=5)

    @property
    def kind(self) -> Kind:
        """How it is spoken to. Raises ``GiveUp`` for any other location."""
        if self.location.startswith("/"):
            return Kind.LOCAL
        for kind in (Kind.S3, Kind.SFTP):
            if self.location.startswith(f"{kind}:"):
                return kind
        raise GiveUp("a backup target is an absolute path, s3:... or sftp:...")

    def address(self, name: str) -> str:
        """The repository's location as restic takes it."""
        return f"{self.location.rstrip('/')}/{name}"

    def all_options(self) -> tuple[str, ...]:
        """The options, and an ssh that asks nothing and notices a dead line where none is given."""
        if self.kind is not Kind.SFTP or self.has_option("sftp.command"):
            return self.options
        host, port, _ = sftp_parts(self.location)
        at_port = f" -p {port}" if port else ""
        return (*self.options, f"sftp.command={_SSH}{at_port} {shlex.quote(host)} -s sftp")

    def has_option(self, name: str) -> bool:
        """True where that option was given."""
        return any(option.startswith(f"{name}=") for option in self.options)

    def refuse_missing(self) -> None:
        """Raise ``TargetUnavailable`` where a local directory is not there.

        Else a disk that is not mounted would look like a repository that was never made.
        """
        if self.kind is Kind.LOCAL and not Path(self.location).is_dir():
            raise TargetUnavailable(
                f"the backup directory {self.location} is not there: is its disk mounted?"
            )

    def free_bytes(self) -> int | None:
        """What a local directory's disk has free; None where the place does not tell."""
        return shutil.disk_usage(self.location).free if self.kind is Kind.LOCAL else None

    def mixes_with(self, other: Target) -> bool:
        """True where one restic can speak to both, with one environment and one set of options."""
        mine, theirs = dict(self.environment), dict(other.environment)
        if any(mine[name] != theirs[name] for name in mine.keys() & theirs.keys()):
            return False
        if self.kind is not other.kind or self.kind is Kind.LOCAL:
            return True
        return mine == theirs and self.all_options() == other.all_options()
