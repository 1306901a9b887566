"""Making few large pieces of many small ones: from store to store, and read on the way.

A journal is fetched in small pieces, and each costs a call of restic when it is followed. Once a
chapter is full its pieces are written anew into another, as large as can be, and it is removed.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from hashlib import sha256

from hosting.engines.errors import EngineError
from hosting.engines.restic import Damaged, Repository, Written
from hosting.engines.tar_moving import END, moved
from hosting.flows.saving import off_site, repositories, shipping, upkeep
from hosting.models import JournalChapter, JournalPiece
from hosting.selectors.saving import journals as reading
from hosting.services.saving import journal_chapters, journals

logger = logging.getLogger(__name__)

LARGE_BYTES = 64 * 1024 * 1024
LONGEST = timedelta(minutes=10)  # of one call: the rest comes at the next


@dataclass(frozen=True, slots=True)
class Merged:
    """One large piece in the place of several."""

    pieces: tuple[JournalPiece, ...]
    id: uuid.UUID
    written: Written


def merge_due() -> None:
    """Merge the chapters that are full. One where that fails does not keep the others from it."""
    began = time.monotonic()
    for chapter in journal_chapters.unmerged_chapters():
        if time.monotonic() - began > LONGEST.total_seconds():
            return
        try:
            merge(chapter)
        except journals.Superseded:
            logger.info("the chapter %s is in use: it is merged later", chapter)
        except EngineError as error:
            logger.warning("the chapter %s could not be merged: %s", chapter, error)
            upkeep.tell_if_broken(chapter.instance, error)


def merge(chapter: JournalChapter) -> None:
    """Write its pieces anew, as few, and remove it. What breaks off leaves it as it was."""
    second = repositories.copy_of_chapter(chapter)
    if second is not None:
        if reading.uncopied().filter(chapter=chapter).exists():
            return  # first all of it has to be in the second place
        second.snapshots()  # raises where that place is away, before anything is written
    goal = journal_chapters.begin_merged(chapter=chapter)
    target = repositories.of_chapter(goal)
    target.ensure()
    journal_chapters.record_made(chapter=goal)
    pieces = chapter.pieces.select_related("journal", "chapter__instance")
    found = [_written(target, group) for group in _groups(list(pieces.order_by("stored_at", "pk")))]
    off_site.copy_merged(target, goal, [each.written.snapshot for each in found])
    with journal_chapters.replacing(chapter=chapter, by=goal):
        for each in found:
            journal_chapters.replace_pieces(
                pieces=each.pieces,
                by=each.id,
                chapter=goal,
                written=asdict(each.written),
                is_copied=second is not None,
            )
    for repository in repositories.everywhere_of_chapter(chapter):
        repository.destroy()
    journal_chapters.record_destroyed(chapter=chapter)


def _groups(pieces: Sequence[JournalPiece]) -> Iterator[tuple[JournalPiece, ...]]:
    """Pieces of one journal each, in their order, together as large as a piece may be."""
    for journal in dict.fromkeys(each.journal_id for each in pieces):
        group: list[JournalPiece] = []
        for each in pieces:
            if each.journal_id != journal:
                continue
            if group and sum(one.size_bytes for one in group) + each.size_bytes > LARGE_BYTES:
                yield tuple(group)
                group = []
            group.append(each)
        if group:
            yield tuple(group)


def _written(target: Repository, group: tuple[JournalPiece, ...]) -> Merged:
    path, piece = shipping.PATH.format(service=group[0].journal.service), uuid.uuid4()
    written = target.write(path, _together(group), tags=shipping.tags(piece))
    return Merged(group, piece, written)


def _together(group: Sequence[JournalPiece]) -> Iterator[bytes]:
    for piece in group:
        yield from moved(_checked(piece), str)
    yield END


def _checked(piece: JournalPiece) -> Iterator[bytes]:
    """What was stored. Raises ``Damaged`` at its end where that is not what was written."""
    written, digest = shipping.written_of(piece), sha256()
    for chunk in repositories.of_chapter(piece.chapter).read(written.snapshot, written.path):
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != written.sha256:
        raise Damaged(f"{written.path} of {piece.chapter} is not what was written")
