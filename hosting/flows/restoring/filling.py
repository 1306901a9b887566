"""Putting the parts of a backup into the volumes of a new generation, as streams."""

from __future__ import annotations

import tarfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hosting.catalog.builder import volume_name
from hosting.engines.errors import EngineUnavailable, GiveUp, TryLater
from hosting.engines.observed import RunResult
from hosting.engines.restic import Damaged, Written
from hosting.engines.wanted import Service, Stack
from hosting.flows.base import Work
from hosting.flows.saving.parts import Kind, Part
from hosting.flows.saving.reading import watched
from hosting.flows.saving.sources import Source
from hosting.models import Backup

SILENCE = timedelta(hours=1)  # an index over a big table says nothing while it is built
PATIENCE = timedelta(seconds=30)
ANALYZED_WITHIN = timedelta(minutes=15)  # it reads samples, not all
REDIS_DATA = "/data"
_BLOCK = 512
_MB = 10**6
# As Redis 7 writes them itself: the base of an append-only log that has nothing after it yet.
_AOF = "./appendonlydir"
_AOF_BASE = "appendonly.aof.1.base.rdb"
_AOF_MANIFEST = f"file {_AOF_BASE} seq 1 type b\n".encode()


def parts_of(backup: Backup) -> tuple[tuple[Part, Written], ...]:
    """The parts that it holds, and how each was written."""
    return tuple((_part(each), Written(**each["written"])) for each in backup.manifest["parts"])


def put(work: Work, source: Source, generation: int) -> None:
    """Put all parts into the empty volumes of that generation, which ``work.stack`` has.

    Raises ``Damaged`` for a part that is not what was written.
    """
    if databases(work, source.backup):
        bring_up_databases(work, source.backup)
    put_parts(work, source, generation, kinds=tuple(Kind))


def put_parts(work: Work, source: Source, generation: int, *, kinds: Collection[Kind]) -> None:
    """Put the parts of those kinds there; dumps need their databases up."""
    for part, written in parts_of(source.backup):
        if part.kind not in kinds:
            continue
        work.report(f"putting back {part.title}: {written.size / _MB:.1f} MB")
        with closing(source.read(written)) as chunks:
            _put(work, part, written, watched(work, chunks), generation)


def databases(work: Work, backup: Backup) -> frozenset[str]:
    """The services into which dumps are read."""
    return frozenset(part.service for part, _ in parts_of(backup) if part.kind is Kind.POSTGRES)


def bring_up(work: Work, names: Collection[str]) -> None:
    """Run those services alone, and what they wait for, until they are ready."""
    alone = only(work.stack, names)
    work.engine.apply(alone, report=work.report)
    for name in sorted(names):
        work.wait_until(
            lambda name=name: work.engine.is_ready(alone, name),  # type: ignore[misc]
            why=f"{name} is not ready yet",
        )


def bring_up_databases(work: Work, backup: Backup) -> None:
    """Run the database services alone. Raises ``TryLater`` where one is not as it has to be."""
    bring_up(work, databases(work, backup))
    for part, _ in parts_of(backup):
        if part.kind is Kind.POSTGRES:
            _see_database(work, part)


def only(stack: Stack, names: Iterable[str]) -> Stack:
    """The stack with those services, what they depend on, and nothing else that runs."""
    wanted, rest = set(), list(names)
    while rest:
        name = rest.pop()
        if name not in wanted:
            wanted.add(name)
            rest.extend(stack.service(name).depends_on)
    return replace(stack, services=tuple(each for each in stack.services if each.name in wanted))


def redis_files(chunks: Iterable[bytes], *, size: int, owner: tuple[int, int]) -> Iterator[bytes]:
    """A tar of a Redis data directory with that snapshot of its keys, ``size`` bytes long.

    As ``dump.rdb``, and again (a hard link) as the base of an append-only log: with ``appendonly``
    Redis 7 reads nothing else. Raises ``Damaged`` where the snapshot has another size.
    https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/
    """
    yield _entry("./", owner, kind=tarfile.DIRTYPE)
    yield _entry("./dump.rdb", owner, size=size)
    seen = 0
    for chunk in chunks:
        seen += len(chunk)
        yield chunk
    if seen != size:
        raise Damaged(f"{seen} bytes of keys came back of {size}")
    yield b"\0" * (-size % _BLOCK)
    yield _entry(f"{_AOF}/", owner, kind=tarfile.DIRTYPE)
    yield _entry(f"{_AOF}/{_AOF_BASE}", owner, kind=tarfile.LNKTYPE, link="./dump.rdb")
    yield _entry(f"{_AOF}/appendonly.aof.manifest", owner, size=len(_AOF_MANIFEST))
    yield _AOF_MANIFEST + b"\0" * (-len(_AOF_MANIFEST) % _BLOCK)
    yield b"\0" * (2 * _BLOCK)


def _part(value: dict[str, Any]) -> Part:
    return Part(Kind(value["kind"]), value["name"], service=value["service"], user=value["user"])


def _see_database(work: Work, part: Part) -> None:
    """Raise ``TryLater`` where it was not made: its server was ended while it set itself up.

    Filled again from the beginning, it sets itself up anew.
    """
    command = ("psql", "-AtXq", "-U", part.user, "-d", part.name, "-c", "SELECT 1")
    result = work.engine.run(work.stack.instance, part.service, command, timeout=PATIENCE)
    if result.exit_code != 0:
        raise TryLater(f"{part.title} is not there: {_complaint(result)}")


def _put(
    work: Work, part: Part, written: Written, chunks: Iterator[bytes], generation: int
) -> None:
    match part.kind:
        case Kind.POSTGRES:
            _read_dump(work, part, chunks)
        case Kind.REDIS:
            service = work.stack.service(part.service)
            files = redis_files(chunks, size=written.size, owner=owner_of(service))
            work.engine.write_volume(work.stack, _redis_volume(service), files)
        case Kind.VOLUME:
            volume = volume_name(work.stack.project, part.name, generation)
            work.engine.write_volume(work.stack, volume, chunks)


def _read_dump(work: Work, part: Part, chunks: Iterator[bytes]) -> None:
    """All of it or nothing: an end that comes too early leaves the database as it was."""
    command = (
        *("pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", "--verbose"),
        *("-U", part.user, "-d", part.name),
    )
    result = work.engine.feed(work.stack.instance, part.service, command, chunks, silence=SILENCE)
    if result.exit_code != 0:
        raise GiveUp(f"{part.title} could not be put back: {_complaint(result)}")
    _analyze(work, part)


def _analyze(work: Work, part: Part) -> None:
    """Have the database look at what it has got: a dump holds nothing for its query planner.

    Until autovacuum comes by, an hour later on a large one, it would plan as if all were empty.
    Where that fails its data is whole all the same, so that it is said and no more.
    https://www.postgresql.org/docs/15/app-pgrestore.html#APP-PGRESTORE-NOTES
    """
    command = ("psql", "-qX", "-U", part.user, "-d", part.name, "-c", "ANALYZE")
    instance = work.stack.instance
    try:
        result = work.engine.run(instance, part.service, command, timeout=ANALYZED_WITHIN)
    except EngineUnavailable:
        raise
    except TryLater as error:
        work.report(str(error))
        return
    if result.exit_code == 0:
        work.report(f"{part.title} has statistics for its planner")
    else:
        work.report(f"{part.title} has no statistics yet: {_complaint(result)}")


def _complaint(result: RunResult) -> str:
    """What it said was wrong, without the progress around it."""
    said = [line.strip() for line in result.output.splitlines() if line.strip()]
    errors = [line for line in said if "error:" in line.lower()]
    return (errors or said[-1:] or ["it gave no reason"])[0][:300]


def _redis_volume(service: Service) -> str:
    """The volume that holds its keys: at the image's place, or the only one that it has."""
    mounts = service.mounts
    chosen = [each for each in mounts if each.target.rstrip("/") == REDIS_DATA] or list(mounts)
    if len(chosen) != 1:
        raise GiveUp(f"the service {service.name} has no volume for its keys at {REDIS_DATA}")
    return chosen[0].volume


def owner_of(service: Service) -> tuple[int, int]:
    """User and group as numbers; a service that begins as root takes the files over itself."""
    user, _, group = (service.user or "0").partition(":")
    if not user.isdecimal() or (group and not group.isdecimal()):
        raise GiveUp(f"the service {service.name} runs as {service.user}, which is no number")
    return int(user), int(group or user)


def _entry(
    name: str,
    owner: tuple[int, int],
    *,
    size: int = 0,
    kind: bytes = tarfile.REGTYPE,
    link: str = "",
) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.type, entry.size, entry.linkname = kind, size, link
    entry.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    entry.uid, entry.gid = owner
    return entry.tobuf(tarfile.PAX_FORMAT)
