"""The restic of this machine: where it is, which version, and its environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping

from hosting.engines.errors import GiveUp, TryLater

MINIMUM = (0, 14)  # compression, and `copy` with --from-repo


def version() -> tuple[int, ...]:
    """The version of the restic that is installed. Raises ``GiveUp`` where there is none."""
    try:
        done = subprocess.run(
            [path_of("restic"), "version"],
            env=environment({}),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TryLater("restic did not tell its version within 30 seconds") from None
    return parse_version(done.stdout)


def require() -> None:
    """Raise ``GiveUp`` where restic is missing or older than ``MINIMUM``."""
    found = version()
    if found < MINIMUM:
        raise GiveUp(f"restic {_dotted(found)} is too old: {_dotted(MINIMUM)} or newer is needed")


def parse_version(text: str) -> tuple[int, ...]:
    """The numbers in ``restic 0.14.0 compiled with ...``."""
    found = re.match(r"restic (\d+(?:\.\d+)+)", text)
    if found is None:
        raise GiveUp("restic did not tell its version")
    return tuple(map(int, found[1].split(".")))


def path_of(name: str) -> str:
    """Where that program is. Raises ``GiveUp`` where it is not installed."""
    found = shutil.which(name, path=_search_path())
    if found is None:
        raise GiveUp(f"{name} is not installed on this server")
    return found


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """What restic and its ssh see: nothing of Berth's own settings and secrets.

    HOME leads nowhere, so that no credentials of the user's are taken by accident; ssh finds the
    user's keys without it.
    """
    inherited = {"TMPDIR": os.environ["TMPDIR"]} if "TMPDIR" in os.environ else {}
    return {
        "PATH": _search_path(),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HOME": "/nonexistent",
        "RESTIC_PROGRESS_FPS": "0.2",
        **inherited,
        **given,
    }


def _search_path() -> str:
    # Services often run without the sbin directories.
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))
