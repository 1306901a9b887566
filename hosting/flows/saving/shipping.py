"""Fetching the journals of databases into the store, every few seconds and piece by piece.

One command inside the database's container tells the time, ends the piece that is being written,
and gives whatever lies in the journal's volume. What was stored is removed there by the next one:
until then it lies in both places.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from django.utils import timezone

from hosting.catalog import builder, journal
from hosting.engines.errors import EngineError, EngineUnavailable, GiveUp, TryLater
from hosting.engines.restic import Repository, Written
from hosting.flows import stacks
from hosting.flows.engines import engine_for
from hosting.flows.saving import repositories, segments, upkeep
from hosting.models import Journal, JournalChapter, JournalPiece
from hosting.services.saving import journal_chapters, journals

logger = logging.getLogger(__name__)

PATH = "journal/{service}.tar"
TAG = "journal"
SILENCE = timedelta(seconds=30)
MOST_SECONDS = 45.0  # for one call: then the next scheduler goes on
_CHECK_EVERY_SECONDS = 10.0
_LONGEST_HEAD = 64 * 1024
_MARK = "berth-journal"
_FETCH = Path(__file__).with_name("journal_fetch.sh").read_text()


@dataclass(frozen=True, slots=True)
class Look:
    """What the database's container said before the files themselves.

    ``at`` is the database's clock: everything committed before is in the segments up to
    ``segment``, if ``is_whole``. ``left`` is how many more there are than these ``names``.
    """

    at: datetime
    snapshot: str
    segment: str
    is_whole: bool
    left: int
    names: tuple[str, ...]


class NotOurs(TryLater):
    """What runs keeps no journal yet, or that of other data, as while a restore goes on."""


def ship_due() -> None:
    """Fetch what is due. One where that fails does not keep the others from it."""
    began = time.monotonic()
    for instance in journals.without_open():
        try:
            services = builder.databases(stacks.definition(instance))
            journals.keep_open(instance=instance, services=services)
        except EngineError as error:
            logger.warning("the journal of %s can't be kept: %s", instance, error)
    journals.end_unwanted()
    while time.monotonic() - began < MOST_SECONDS:
        due = journals.take(now=timezone.now())
        if due is None:
            return
        ship(due)


def ship(taken: Journal) -> None:
    """Fetch one that ``journals.take`` gave, and write down how far the store has it."""
    try:
        _ship(taken)
    except journals.Superseded:
        logger.info("another has fetched the %s meanwhile", taken)
    except EngineError as error:
        is_unkept = isinstance(error, NotOurs)
        journals.record_trouble(journal=taken, trouble=str(error), is_unkept=is_unkept)
        upkeep.tell_if_broken(taken.instance, error)
        logger.warning("the %s could not be fetched: %s", taken, error)
    except Exception as error:
        journals.record_trouble(journal=taken, trouble=f"Berth itself failed: {error}")
        logger.exception("the %s could not be fetched", taken)


def _ship(taken: Journal) -> None:
    server = taken.instance.server
    if server.is_silent:  # each call would wait for as long as anyone does
        raise EngineUnavailable(f"server {server} does not answer")
    uncleared = journals.uncleared(journal=taken)
    engine = engine_for(server)
    try:
        command = _command(taken, uncleared)
        chunks = engine.read(str(taken.instance.pk), taken.service, command, silence=SILENCE)
        with closing(chunks):
            look, rest = read_head(chunks)
            journals.record_cleared(pieces=uncleared)
            _store(taken, look, rest)
    finally:
        engine.close()


def _command(taken: Journal, uncleared: Sequence[JournalPiece]) -> tuple[str, ...]:
    app = stacks.definition(taken.instance)
    [database, *_] = [each for each in app.berth.backup.postgres if each.service == taken.service]
    known = taken.snapshot if _is_idle(taken.snapshot) else ""
    place = journal.kept_at(taken.generation)
    asked = (place, database.user, database.database, str(taken.generation), known)
    gone = [name for each in uncleared for name in each.names]
    return ("sh", "-c", _FETCH, "sh", *asked, *gone, "--")


def _is_idle(snapshot: str) -> bool:
    """Whether nothing was under way: then what looks the same later has seen no commit since."""
    low, _, rest = snapshot.partition(":")
    return bool(low) and rest == f"{low}:"


def read_head(chunks: Iterator[bytes]) -> tuple[Look, Iterator[bytes]]:
    """What comes before the files, and the files. Raises ``NotOurs`` and ``TryLater``."""
    head = b""
    while b"\n\n" not in head:
        chunk = next(chunks, None)
        if chunk is None or len(head) > _LONGEST_HEAD:
            raise TryLater("the database's container did not say what its journal holds")
        head += chunk
    text, _, rest = head.partition(b"\n\n")
    first, *names = text.decode(errors="replace").split("\n")
    words = first.split(" ")
    if words == [_MARK, "not-ours"]:
        raise NotOurs(
            "its database runs without keeping its journal: it begins when the instance is"
            " restarted"
        )
    look = _look(words, names)
    return look, _after(rest, chunks)


def _after(rest: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    if rest:
        yield rest
    yield from chunks


def _look(words: Sequence[str], names: Sequence[str]) -> Look:
    try:
        mark, at, snapshot, segment, whole, left = words
        if mark != _MARK or not all(segments.is_known(each) for each in names):
            raise ValueError(names)
        moment = datetime.fromtimestamp(float(at), UTC)
        return Look(moment, snapshot, segment, whole == "yes", int(left), tuple(names))
    except ValueError as error:
        raise GiveUp("the database's container said something else than its journal") from error


def _store(taken: Journal, look: Look, files: Iterator[bytes]) -> None:
    """Write the files into the store, and then down; where there are none, only how far it has."""
    new = [each for each in segments.only_segments(look.names) if each > taken.last_segment]
    last = new[-1] if new else taken.last_segment
    lost = _lost(taken.last_segment, new, look)
    piece, chapter, written = uuid.uuid4(), None, None
    if look.names:
        chapter = journal_chapters.chapter_of(journal=taken)
        path = PATH.format(service=taken.service)
        written = _opened(chapter).write(path, _watched(taken, files), tags=tags(piece))
    if lost:
        why = f"The piece {lost} of the journal was lost: the store could not take it for too long."
        taken = journals.begin_anew(journal=taken, why=why)
    last = last or (look.segment if look.segment != "-" else "")
    is_whole = look.is_whole and not look.left
    until = look.at if is_whole else None
    if chapter is None or written is None:
        journals.record_looked(
            journal=taken, until=until, snapshot=look.snapshot, last_segment=last
        )
    else:
        journals.record_stored(
            journal=taken,
            piece=piece,
            chapter=chapter,
            names=look.names,
            written=asdict(written),
            until=until,
            snapshot=look.snapshot,
            last_segment=last,
        )


def _lost(last: str, new: Sequence[str], look: Look) -> str:
    """The first segment that will never come; empty where there is none.

    The container leaves one out where it has kept too much for too long.
    """
    follow = [*([last] if last else []), *new]
    for one, other in pairwise(follow):
        if other != segments.next_of(one):
            return segments.next_of(one)
    is_all = look.is_whole and not look.left and look.segment != "-"
    if is_all and follow and follow[-1] < look.segment:
        return segments.next_of(follow[-1])
    return ""


def _opened(chapter: JournalChapter) -> Repository:
    """Its repository. It is made once: one that was lost must not come back empty."""
    repository = repositories.of_chapter(chapter)
    if chapter.made_at is None:
        repository.ensure()
        journal_chapters.record_made(chapter=chapter)
    return repository


def _watched(taken: Journal, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks, with a word now and then that they still come."""
    looked_at = time.monotonic()
    for chunk in chunks:
        if time.monotonic() - looked_at > _CHECK_EVERY_SECONDS:
            journals.extend(journal=taken)
            looked_at = time.monotonic()
        if chunk:
            yield chunk


def tags(piece: uuid.UUID) -> tuple[str, str]:
    """What the snapshot of that piece carries, in whichever place."""
    return TAG, tag(piece)


def tag(piece: uuid.UUID) -> str:
    """What it alone carries: ids of snapshots are others in the second place."""
    return f"piece:{piece}"


def written_of(piece: JournalPiece) -> Written:
    """The stream that holds it."""
    return Written(**piece.written)
