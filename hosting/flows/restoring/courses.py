"""What leads a database to a moment: its files as they were before, and the journal from then on.

Both lie in both places. In the second one snapshots have other ids: the files are found as any
part of a backup is, a piece of the journal by its tag.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from hosting.engines.errors import GiveUp
from hosting.engines.restic import Damaged, Repository, Written
from hosting.flows.base import Work
from hosting.flows.saving import repositories, segments, shipping
from hosting.flows.saving.reading import watched
from hosting.flows.saving.sources import Source
from hosting.models import JournalBase, JournalChapter, JournalPiece, Restore
from hosting.selectors.saving import journals as reading


@dataclass(frozen=True, slots=True)
class Piece:
    """Segments of a journal, and where they are read from."""

    names: tuple[str, ...]
    size_bytes: int
    store: Repository
    written: Written

    def read(self) -> Generator[bytes, None, None]:
        """The tar. Raises ``Damaged`` at the end where it is not what was written."""
        yield from self.store.read_as_written(self.written)


@dataclass(frozen=True, slots=True)
class Course:
    """What one database service is brought forward from, and how far its journal goes."""

    base: JournalBase
    source: Source
    pieces: tuple[Piece, ...]
    last_segment: str

    @property
    def service(self) -> str:
        return self.base.journal.service

    @property
    def size_bytes(self) -> int:
        """What lies on the server while it is brought forward."""
        return int(self.base.written["size"]) + sum(each.size_bytes for each in self.pieces)

    def files(self) -> Generator[bytes, None, None]:
        """The tar of the database's files. Raises ``Damaged`` as ``Piece.read`` does."""
        yield from self.source.read(Written(**self.base.written))


def leading_to(restore: Restore, source: Source) -> list[Course]:
    """What leads to the restore's moment from that place.

    Raises ``GiveUp`` where something of it is missing.
    """
    bases = reading.bases_of(restore.backup)
    if not bases:
        raise GiveUp("this backup has no base to follow the journal from any more")
    return [_course(each, source, restore.target_at) for each in bases]


def read_back(work: Work, restore: Restore, source: Source) -> None:
    """Read all of the journal once. Raises ``Damaged`` where it is not as it was written."""
    for course in leading_to(restore, source):
        for number, piece in enumerate(course.pieces, start=1):
            work.report(f"reading back the journal: {number} of {len(course.pieces)}")
            piece.store.verify(piece.written, watch=partial(watched, work))


def _course(base: JournalBase, source: Source, until: datetime | None) -> Course:
    stored = [
        each
        for each in reading.pieces_of(base.journal)
        if any(name[:24] >= base.first_segment or "." in name for name in each.names)
    ]
    pieces = _in_second(base, stored, until) if source.is_second else _in_first(stored)
    names = [name for each in pieces for name in each.names]
    missing = segments.gap_in(names, start=base.first_segment)
    if missing:
        raise GiveUp(f"the piece {missing} of the journal of {base.journal.service} is missing")
    return Course(base, source, tuple(pieces), segments.only_segments(names)[-1])


def _in_first(stored: Sequence[JournalPiece]) -> list[Piece]:
    return [
        _piece(each, repositories.of_chapter(each.chapter), shipping.written_of(each))
        for each in stored
    ]


def _in_second(
    base: JournalBase, stored: Sequence[JournalPiece], until: datetime | None
) -> list[Piece]:
    """What lies there without a gap. Raises ``GiveUp`` where that does not lead to the moment."""
    there = _without_gap(stored)
    if len(there) < len(stored):
        reached = max((each.until for each in there if each.until), default=None)
        if reached is None or until is None or reached < until:
            raise GiveUp(_too_late(base, reached))
    return [_there(each, ids) for each, ids in zip(there, _ids(there), strict=True)]


def _without_gap(stored: Sequence[JournalPiece]) -> list[JournalPiece]:
    for count, each in enumerate(stored):
        if not reading.is_in_second_place(each):
            return list(stored[:count])
    return list(stored)


def _too_late(base: JournalBase, reached: datetime | None) -> str:
    service = base.journal.service
    if reached is None:
        return f"the second place has nothing of the journal of {service} that leads on from there"
    return (
        f"the second place has the journal of {service} up to {reached:%Y-%m-%d %H:%M:%S} UTC:"
        " choose a moment before that"
    )


def _ids(pieces: Sequence[JournalPiece]) -> list[dict[str, str]]:
    """For each the ids of its chapter's snapshots in the second place, by tag."""
    known: dict[object, dict[str, str]] = {}
    for each in pieces:
        if each.chapter_id not in known:
            listed = _second(each.chapter).snapshots(tags=[shipping.TAG])
            known[each.chapter_id] = {tag: one.id for one in listed for tag in one.tags}
    return [known[each.chapter_id] for each in pieces]


def _there(piece: JournalPiece, ids: dict[str, str]) -> Piece:
    written = shipping.written_of(piece)
    found = ids.get(shipping.tag(piece.pk))
    if found is None:
        raise Damaged(f"a piece of {piece.chapter} is not in the second place any more")
    return _piece(piece, _second(piece.chapter), replace(written, snapshot=found))


def _piece(piece: JournalPiece, store: Repository, written: Written) -> Piece:
    return Piece(tuple(piece.names), piece.size_bytes, store, written)


def _second(chapter: JournalChapter) -> Repository:
    found = repositories.copy_of_chapter(chapter)
    if found is None:
        raise GiveUp("no second place for backups is configured (BERTH_BACKUP_COPY)")
    return found
