"""The files of a repository, listed, put and removed: restic has no command for any of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from hosting.engines.errors import GiveUp
from hosting.engines.restic import s3
from hosting.engines.restic.errors import Damaged, TargetUnavailable, explain
from hosting.engines.restic.places import Kind, sftp_parts
from hosting.engines.restic.process import Child, Stalled
from hosting.engines.restic.program import environment

if TYPE_CHECKING:
    from hosting.engines.restic.target import Target

# In the order of their removal: without its keys the rest is noise, also with the password.
PARTS = ("keys", "config", "locks", "snapshots", "index", "data")


def remove(target: Target, name: str) -> None:
    """Remove the repository of that name, wherever it is; one that is gone is fine.

    Raises ``GiveUp`` where something else than a repository's parts is there; all stays then.
    """
    found = listing(target, name)
    if foreign := sorted({each.partition("/")[0] for each in found} - set(PARTS)):
        raise GiveUp(f"{name} is not removed: it holds {foreign[0]}, which is not a repository's")
    match target.kind:
        case Kind.LOCAL:
            _remove_directory(Path(target.address(name)))
        case Kind.S3:
            s3.remove(target.address(name), name, PARTS, target.environment)
        case Kind.SFTP:
            _remove_over_sftp(target, name, found)


def clear_unfinished(target: Target, name: str) -> None:
    """Remove what a creation left that broke off: a key of its own would spoil the next one.

    Raises ``Damaged`` where there is more than that.
    """
    found = listing(target, name)
    if any(each.startswith(("snapshots/", "index/")) for each in found):
        raise Damaged(f"the backup repository {name} is damaged: its configuration is gone")
    if found:
        remove(target, name)


def listing(target: Target, name: str) -> set[str]:
    """What lies in the repository, two levels deep: ``config``, ``keys``, ``keys/<id>``, ..."""
    match target.kind:
        case Kind.LOCAL:
            directory = Path(target.address(name))
            found = [*directory.glob("*"), *directory.glob("*/*")]
            return {str(each.relative_to(directory)) for each in found}
        case Kind.S3:
            return s3.listing(target.address(name), name, target.environment)
        case Kind.SFTP:
            return _listing_over_sftp(target, name)


def put(target: Target, name: str, path: str, content: bytes) -> None:
    """Write a small file into the repository: all of it or nothing."""
    match target.kind:
        case Kind.LOCAL:
            _put_into_directory(Path(target.address(name)) / path, content)
        case Kind.S3:
            s3.put(target.address(name), name, path, content, target.environment)
        case Kind.SFTP:
            _put_over_sftp(target, name, path, content)


def drop(target: Target, name: str, path: str) -> None:
    """Remove one file of the repository."""
    match target.kind:
        case Kind.LOCAL:
            (Path(target.address(name)) / path).unlink(missing_ok=True)
        case Kind.S3:
            s3.drop(target.address(name), name, path, target.environment)
        case Kind.SFTP:
            _sftp(target, name, [f'-rm "{_directory(target, name)}/{path}"'])


def _put_into_directory(path: Path, content: bytes) -> None:
    # Named as restic names its own unfinished files: it passes over them.
    with NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}-tmp-", delete=False) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), 0o400)  # also as restic does
    Path(file.name).rename(path)


def _put_over_sftp(target: Target, name: str, path: str, content: bytes) -> None:
    goal = f"{_directory(target, name)}/{path}"
    part = f"{goal}-tmp-berth"
    with NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        _sftp(target, name, [f'put "{file.name}" "{part}"', f'rename "{part}" "{goal}"'])


def _remove_directory(directory: Path) -> None:
    for part in PARTS:
        path = directory / part
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if directory.exists():
        directory.rmdir()


def _listing_over_sftp(target: Target, name: str) -> set[str]:
    directory = _directory(target, name)
    places = [directory, *(f"{directory}/{part}" for part in PARTS)]
    said = _sftp(target, name, [f'-ls -1 "{place}"' for place in places])
    prefix = f"{directory}/"
    # A file that is asked for is answered by its own name, so `config` comes twice.
    return {line.strip().removeprefix(prefix) for line in said if line.startswith(prefix)}


def _remove_over_sftp(target: Target, name: str, found: set[str]) -> None:
    directory = _directory(target, name)
    _sftp(target, name, _removal_script(directory, found))
    if _listing_over_sftp(target, name):
        raise TargetUnavailable(f"not all of the backup repository {name} could be removed")


def _removal_script(directory: str, found: set[str]) -> list[str]:
    """SFTP has no recursion, but a repository is only so deep. A quoted * would be no pattern."""
    inner = [each for each in sorted(found) if each.startswith("data/")]
    parts = [part for part in PARTS if part in found and part != "config"]
    emptied = [f'-rm "{directory}/{place}/"*' for place in (*parts[:1], *inner, *parts[1:])]
    return [
        *emptied[:1],
        f'-rm "{directory}/config"',
        *emptied[1:],
        *(f'-rmdir "{directory}/{place}"' for place in (*inner, *parts)),
        f'-rmdir "{directory}"',
    ]


def _sftp(target: Target, name: str, script: list[str]) -> list[str]:
    """Run the commands over the connection that restic uses; return the lines they wrote."""
    command = next(each for each in target.all_options() if each.startswith("sftp.command="))
    said: list[str] = []
    with Child(
        ["sftp", "-q", "-b", "-", "-D", command.partition("=")[2]],
        environment=environment(target.environment),
        passwords={},
        stall=target.stall,
    ) as child:
        child.each_line(said.append)
        child.feed("\n".join([*script, "-pwd", ""]).encode())
        child.close_input()
        try:
            status = child.wait()
        except Stalled:
            raise TargetUnavailable(f"the target of the backup repository {name} hangs") from None
        if status != 0:
            raise explain(name, child.words)
    return said


def _directory(target: Target, name: str) -> str:
    return f"{sftp_parts(target.location)[2].rstrip('/')}/{name}"
