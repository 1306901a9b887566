"""The directory of the sockets by which runs and keepers meet."""

import os
import stat
from pathlib import Path

from berth_local.errors import LocalError
from berth_local.layout import Layout


def control_directory(layout: Layout) -> Path:
    """A directory of this scope that only we can enter.

    Below /tmp and not below the checkout: a socket's path ends at 107 bytes (unix(7)).
    """
    return private_directory(Path("/tmp") / f"berth-{os.geteuid()}-{layout.digest}")  # noqa: S108


def private_directory(path: Path) -> Path:
    """Make a directory with mode 700, or refuse one that belongs to someone else."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise LocalError(f"{path} is not a directory of ours with mode 700: remove it.")
    return path
