"""Bringing databases to a moment: their files as they were before it, and the journal from then on.

PostgreSQL does it itself. It starts on the files, reads the journal piece by piece and stops before
the first transaction that was committed after the moment. Where there is none it has read all of
the journal, and is told that this is the moment.
"""

from __future__ import annotations

import tarfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hosting.catalog import builder, journal
from hosting.engines import tar_aligning
from hosting.engines.errors import GiveUp
from hosting.engines.restic import Damaged
from hosting.engines.tar_moving import END, file, folder, moved
from hosting.engines.wanted import Service, Stack
from hosting.flows import stacks
from hosting.flows.base import Work
from hosting.flows.restoring import courses, filling
from hosting.flows.restoring.courses import Course, Piece
from hosting.flows.saving import segments
from hosting.flows.saving.reading import watched
from hosting.flows.saving.sources import Source
from hosting.models import Restore

PATIENCE = timedelta(seconds=30)
PROMOTION = timedelta(seconds=90)
STUCK_SECONDS = 300.0
_MB = 10**6
_WHERE = "SELECT pg_is_in_recovery(), coalesce(pg_last_wal_replay_lsn()::text, '0/0')"


def put(work: Work, restore: Restore, source: Source, generation: int) -> None:
    """Bring the databases to the moment, in the empty volumes of that generation."""
    found = courses.leading_to(restore, source)
    for course in found:
        _put_files(work, course)
        _put_journal(work, course, generation)
    _bring_forward(work, found, generation, restore.target_at)
    for course in found:
        place = journal.brought_to(generation)
        _run(work, course.service, ("rm", "-rf", place))


# The files


def _put_files(work: Work, course: Course) -> None:
    """The base into the data volume, marked as one that has a journal to follow."""
    service = work.stack.service(course.service)
    place, owner = journal.data_place(service), filling.owner_of(service)
    size = course.base.written["size"]
    work.report(f"putting back the files of {course.service}: {size / _MB:.1f} MB")
    below = f"./{place.directory}" if place.directory else "."

    def name_of(name: str) -> str | None:
        return None if tar_aligning.is_filler(name) else f"{below}/{name}"

    def tar() -> Iterator[bytes]:
        yield from _folders("./", place.directory, owner)
        with closing(course.files()) as chunks:
            yield from _moved(watched(work, chunks), name_of)
        yield file(f"{below}/standby.signal", b"", owner=owner)
        yield END

    work.engine.write_volume(work.stack, place.volume, tar())


def _put_journal(work: Work, course: Course, generation: int) -> None:
    """What follows upon the base into the journal's volume, apart from what is kept there anew."""
    service = work.stack.service(course.service)
    owner = filling.owner_of(service)
    place = journal.brought_to(generation).removeprefix(f"{journal.PLACE}/")
    size = sum(each.size_bytes for each in course.pieces)
    work.report(f"putting the journal of {course.service} beside them: {size / _MB:.1f} MB")

    def tar() -> Iterator[bytes]:
        yield folder("./", owner=owner, mode=0o1777)
        for each in ("./journal", f"./{place}"):
            yield folder(each, owner=owner, mode=0o1777)
        seen: set[str] = set()
        for piece in course.pieces:
            yield from _piece(work, piece, course, seen, place)
        yield END

    project, name = work.stack.project, course.service
    volume = builder.journal_volume(project, name, generation)
    work.engine.write_volume(work.stack, volume, tar())


def _piece(work: Work, piece: Piece, course: Course, seen: set[str], place: str) -> Iterator[bytes]:
    def name_of(name: str) -> str | None:
        bare = name.removeprefix("./").removesuffix(".gz")
        if bare in seen or not segments.is_known(bare) or bare[:24] < course.base.first_segment:
            return None
        seen.add(bare)
        return f"./{place}/{bare}.gz"

    with closing(piece.read()) as chunks:
        yield from _moved(watched(work, chunks), name_of)


def _moved(chunks: Iterator[bytes], name_of: Any) -> Iterator[bytes]:
    try:
        yield from moved(chunks, name_of)
    except tarfile.TarError as error:
        raise Damaged(f"what was stored is no whole tar: {error}") from error


def _folders(root: str, directory: str, owner: tuple[int, int]) -> Iterator[bytes]:
    """The volume's root and the directories down to the data, which PostgreSQL wants closed."""
    parts = directory.split("/") if directory else []
    yield folder(root, owner=owner, mode=0o755 if parts else 0o700)
    for number in range(1, len(parts) + 1):
        mode = 0o700 if number == len(parts) else 0o755
        yield folder("./" + "/".join(parts[:number]), owner=owner, mode=mode)


# The journal


def _bring_forward(
    work: Work, found: Sequence[Course], generation: int, until: datetime | None
) -> None:
    stack = _replaying(work.stack, found, generation, until)
    _start(work, stack, found)
    waiting = [each for each in found if not _follow(work, each)]
    if not waiting:
        return
    # They have read all of it and found nothing after the moment: so this is the moment. Told so
    # now, they would complain that they had not reached it.
    _start(work, _replaying(stack, waiting, generation, None), found)
    for course in waiting:
        _follow(work, course)
        _run(work, course.service, _ask(work, course, "SELECT pg_promote(true, 60)"), PROMOTION)
        work.wait_until(lambda c=course: _where(work, c)[0] is False, why="it becomes writable")  # type: ignore[misc]
        work.report(f"{course.service} is as it was at the end of its journal")


def _replaying(
    stack: Stack, found: Sequence[Course], generation: int, until: datetime | None
) -> Stack:
    names = {each.service for each in found}

    def changed(service: Service) -> Service:
        if service.name not in names:
            return service
        return journal.replaying(service, generation=generation, until=until)

    return replace(stack, services=tuple(changed(each) for each in stack.services))


def _start(work: Work, stack: Stack, found: Sequence[Course]) -> None:
    names = {each.service for each in found}
    alone = filling.only(stack, names)
    work.engine.apply(alone, report=work.report)
    for name in sorted(names):
        work.wait_until(
            lambda name=name: work.engine.is_ready(alone, name),  # type: ignore[misc]
            why=f"{name} is not ready yet",
        )


def _follow(work: Work, course: Course) -> bool:
    """Wait until it has passed the moment (True), or has read all of its journal (False)."""
    end, seen, moved_at = segments.end_of(course.last_segment), -1, time.monotonic()
    while True:
        is_behind, place = _where(work, course)
        if not is_behind:
            work.report(f"{course.service} is as it was at that moment")
            return True
        if place >= end:
            return False
        if place != seen:
            seen, moved_at = place, time.monotonic()
        if time.monotonic() - moved_at > STUCK_SECONDS:
            raise GiveUp(
                f"the journal of {course.service} can't be read beyond its piece"
                f" {course.last_segment}: the moment is not reached"
            )
        work.report(f"{course.service} follows its journal")
        time.sleep(0.3)


def _where(work: Work, course: Course) -> tuple[bool, int]:
    """Whether it is being brought forward still, and how far it is."""
    said = _run(work, course.service, _ask(work, course, _WHERE))
    state, _, place = said.partition("|")
    return state == "t", segments.place_of(place)


def _ask(work: Work, course: Course, sql: str) -> tuple[str, ...]:
    declared = stacks.definition(work.instance).berth.backup.postgres
    database = next(each for each in declared if each.service == course.service)
    return ("psql", "-AtXq", "-U", database.user, "-d", database.database, "-c", sql)


def _run(work: Work, service: str, command: tuple[str, ...], timeout: timedelta = PATIENCE) -> str:
    result = work.engine.run(work.stack.instance, service, command, timeout=timeout)
    if result.exit_code != 0:
        raise GiveUp(f"{service}: {command[0]} failed: {result.output.strip()[:200]}")
    return result.output.strip()
