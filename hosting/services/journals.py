"""Keeping the journals of databases in the store: what is due, what was stored, what may go.

One worker at a time fetches a journal: it takes a token, and whatever it then writes counts only as
long as the journal has that token. The stores are away for longer than that now and then, and a
worker that comes back finds that another has done its work.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Count, F, Max
from django.utils import timezone

from hosting.models import (
    ACTIVE_STATES,
    Backup,
    Incident,
    Instance,
    Journal,
    JournalBase,
    JournalChapter,
    JournalPiece,
    Operation,
)
from hosting.selectors import journals as reading
from hosting.services import backups, incidents
from tenants.errors import Refused

EVERY = timedelta(seconds=20)
SOON = timedelta(seconds=2)
LEASE = timedelta(seconds=60)  # of a token; whoever goes on extends it
PIECES_A_CHAPTER = 400  # each makes every call of restic a millisecond longer
MANY_PIECES = 10
BASE_RETRY = timedelta(hours=1)
BASE_PATIENCE = timedelta(hours=2)


class Superseded(Exception):
    """Another fetches this journal by now, or it has ended: nothing was written."""


# What is due


def keep_open(*, instance: Instance, services: Collection[str]) -> None:
    """See that each of these has an open journal of the data that the instance runs on."""
    with transaction.atomic():
        locked = Instance.objects.select_for_update(no_key=True).get(pk=instance.pk)
        for each in reading.open_of(locked):
            if each.service not in services:
                end(journal=each, why="Its database is no longer one of the app's.")
            elif each.generation != locked.generation:
                end(journal=each, why="The instance went over to other data.")
        there = set(reading.open_of(locked).values_list("service", flat=True))
        for service in sorted(set(services) - there):
            Journal.objects.create(instance=locked, service=service, generation=locked.generation)


def without_open() -> list[Instance]:
    """Instances that should have open journals of their data and have none yet."""
    there = Journal.objects.filter(ended_at=None, generation=F("instance__generation"))
    return list(reading.kept().exclude(pk__in=there.values("instance_id")))


def end_unwanted() -> None:
    """End the journals of instances whose plan keeps none any more, or that are deleted."""
    wanted = reading.kept().values("pk")
    for each in Journal.objects.filter(ended_at=None).exclude(instance__in=wanted):
        end(journal=each, why="Its plan does not keep it any more, or the instance is deleted.")


def end(*, journal: Journal, why: str) -> None:
    """Nothing is added to it any more."""
    Journal.objects.filter(pk=journal.pk, ended_at=None).update(
        ended_at=timezone.now(), ended_why=why, token=None
    )


def take(*, now: datetime) -> Journal | None:
    """The journal that has waited longest, for the caller alone; None where none is due."""
    due = Journal.objects.filter(ended_at=None, due_at__lte=now).order_by("due_at")
    for each in due.values("pk", "due_at"):
        token = uuid.uuid4()
        mine = Journal.objects.filter(ended_at=None, **each)
        if mine.update(due_at=now + LEASE, token=token):
            related = ("instance__client", "instance__plan", "instance__server")
            return Journal.objects.select_related(*related).get(pk=each["pk"])
    return None


def extend(*, journal: Journal) -> None:
    """The caller is at it still. Raises ``Superseded``."""
    mine = Journal.objects.filter(pk=journal.pk, token=journal.token, ended_at=None)
    if not mine.update(due_at=timezone.now() + LEASE):
        raise Superseded


# What was stored


def chapter_of(*, journal: Journal) -> JournalChapter:
    """Into which its next piece goes. A chapter that is full makes way for the next.

    Raises ``Superseded`` where another worker has just begun one.
    """
    instance = journal.instance
    chapters = JournalChapter.objects.filter(instance=instance)
    with transaction.atomic():
        current = chapters.select_for_update(no_key=True).filter(is_closed=False).first()
        if current is not None and current.pieces.count() < PIECES_A_CHAPTER:
            return current
        if current is not None:
            current.is_closed = True
            current.save(update_fields=["is_closed"])
        try:
            with transaction.atomic():
                return JournalChapter.objects.create(
                    instance=instance, number=_next_number(instance)
                )
        except IntegrityError:
            raise Superseded from None


def _next_number(instance: Instance) -> int:
    used = JournalChapter.objects.filter(instance=instance).aggregate(last=Max("number"))
    return (used["last"] or 0) + 1


def record_made(*, chapter: JournalChapter) -> None:
    """Its repository is there; from now on its absence is a loss."""
    chapter.made_at = timezone.now()
    chapter.save(update_fields=["made_at"])


def record_looked(
    *, journal: Journal, until: datetime | None, snapshot: str, last_segment: str
) -> None:
    """All that there is was stored, up to ``until``. Raises ``Superseded``."""
    with _held(journal) as held:
        _take_over(held, until=until, snapshot=snapshot, last_segment=last_segment)


def record_stored(
    *,
    journal: Journal,
    chapter: JournalChapter,
    names: Sequence[str],
    written: Mapping[str, Any],
    until: datetime | None,
    snapshot: str,
    last_segment: str,
) -> None:
    """These were stored. Raises ``Superseded``: then they count for nothing."""
    with _held(journal) as held:
        JournalPiece.objects.create(
            journal=held,
            chapter=chapter,
            names=list(names),
            written=dict(written),
            size_bytes=written["size"],
        )
        _take_over(held, until=until, snapshot=snapshot, last_segment=last_segment)


def uncleared(*, journal: Journal) -> list[JournalPiece]:
    """What was stored of the same data and may lie on the server still."""
    same = {each: getattr(journal, each) for each in ("instance", "service", "generation")}
    journals = Journal.objects.filter(**same)
    return list(JournalPiece.objects.filter(journal__in=journals, is_fetched=False))


def record_cleared(*, pieces: Iterable[JournalPiece]) -> None:
    """The files of these are gone from the server."""
    ids = [each.pk for each in pieces]
    JournalPiece.objects.filter(pk__in=ids).update(is_fetched=True)


def record_trouble(*, journal: Journal, trouble: str) -> None:
    """It could not be fetched this time; it is tried again as soon as ever."""
    mine = Journal.objects.filter(pk=journal.pk, token=journal.token)
    mine.update(trouble=trouble, due_at=timezone.now() + EVERY, token=None)


def begin_anew(*, journal: Journal, why: str) -> Journal:
    """The one that follows, under the same token: from a gap on nothing leads back before it.

    Raises ``Superseded``.
    """
    with _held(journal) as held:
        end(journal=held, why=why)
        return Journal.objects.create(
            instance=held.instance,
            service=held.service,
            generation=held.generation,
            due_at=held.due_at,
            token=journal.token,
        )


def record_base(
    *,
    backup: Backup,
    journal: Journal,
    first_segment: str,
    began_at: datetime,
    ended_at: datetime,
    written: Mapping[str, Any],
) -> None:
    """The backup holds a base of that journal. The caller holds the operation's lease."""
    JournalBase.objects.create(
        backup=backup,
        journal=journal,
        first_segment=first_segment,
        began_at=began_at,
        ended_at=ended_at,
        written=dict(written),
    )


# Few large pieces for many small ones


def unmerged_chapters() -> list[JournalChapter]:
    """Full ones of many pieces, whose files are gone from the server."""
    going_on = JournalPiece.objects.filter(is_fetched=False, journal__ended_at=None)
    uncleared = going_on.values("chapter_id")
    return list(
        JournalChapter.objects.filter(is_closed=True, let_go_at=None)
        .exclude(pk__in=uncleared)
        .annotate(count=Count("pieces"))
        .filter(count__gt=MANY_PIECES)
        .select_related("instance")
    )


def begin_merged(*, chapter: JournalChapter) -> JournalChapter:
    """One of the same instance that takes the place of this one; nothing else goes into it."""
    with transaction.atomic():
        Instance.objects.select_for_update(no_key=True).get(pk=chapter.instance_id)
        return JournalChapter.objects.create(
            instance=chapter.instance,
            number=_next_number(chapter.instance),
            is_closed=True,
            began_at=chapter.began_at,
        )


@contextmanager
def replacing(*, chapter: JournalChapter, by: JournalChapter) -> Iterator[None]:
    """A transaction in which the pieces of the one become those of the other.

    Raises ``Superseded`` where the instance is just being restored, which reads them, and where one
    of the two is gone. The first one is let go.
    """
    with transaction.atomic():
        # Whoever asks for an operation locks the instance first.
        locked = Instance.objects.select_for_update(no_key=True).get(pk=chapter.instance_id)
        restoring = locked.operations.filter(kind=Operation.Kind.RESTORE, state__in=ACTIVE_STATES)
        both = JournalChapter.objects.select_for_update().filter(
            pk__in=(chapter.pk, by.pk), let_go_at=None
        )
        if restoring.exists() or len(both) < 2:
            raise Superseded
        yield
        let_go_of(chapter=chapter)


def replace_pieces(
    *, pieces: Sequence[JournalPiece], chapter: JournalChapter, written: Mapping[str, Any]
) -> None:
    """One piece in the place of these. To be called within ``replacing``."""
    JournalPiece.objects.create(
        journal=pieces[0].journal,
        chapter=chapter,
        names=list(dict.fromkeys(name for each in pieces for name in each.names)),
        written=dict(written),
        size_bytes=written["size"],
        stored_at=pieces[-1].stored_at,
        is_fetched=True,
    )
    JournalPiece.objects.filter(pk__in=[each.pk for each in pieces]).delete()


# Bases: a journal without one leads nowhere


def request_bases(*, now: datetime) -> None:
    """Ask for a backup of each instance that has a journal and no base to follow it from."""
    for instance in _without_base():
        tried = instance.backups.filter(
            trigger=Backup.Trigger.NIGHTLY, created_at__gt=now - BASE_RETRY
        )
        began = min(each.began_at for each in reading.open_of(instance))
        if tried.filter(created_at__gt=began).exists():
            continue
        try:
            backups.request(
                instance=instance, actor=backups.SCHEDULER, trigger=Backup.Trigger.NIGHTLY
            )
        except (Refused, IntegrityError):
            continue  # busy: asked again in a moment, and noticed where that takes too long


def _without_base() -> Iterator[Instance]:
    ready = Journal.objects.filter(ended_at=None, archived_until__isnull=False)
    for instance in reading.kept().filter(pk__in=ready.values("instance_id")):
        if any(not _has_base(each) for each in reading.open_of(instance)):
            yield instance


def _has_base(journal: Journal) -> bool:
    good = journal.bases.filter(backup__verified_at__isnull=False, backup__removed_at=None)
    return good.exists()


# What may go


def unneeded_bases(*, instance: Instance, now: datetime) -> list[JournalBase]:
    """Those that no promised moment is restored from any more, of backups that are there."""
    needed = reading.needed_bases(instance, now=now)
    there = JournalBase.objects.filter(backup__instance=instance, backup__removed_at=None)
    ended = there.exclude(backup__operation__state__in=ACTIVE_STATES)
    return [each for each in ended.select_related("backup", "journal") if each not in needed]


def drop_base(*, base: JournalBase) -> None:
    """The backup holds it no longer. The caller holds the operation's lease."""
    backup = Backup.objects.select_for_update(of=("self",)).get(pk=base.backup_id)
    backup.stored = [each for each in backup.stored if each["snapshot"] != base.written["snapshot"]]
    backup.save(update_fields=["stored"])
    base.delete()


@transaction.atomic
def let_go_of_chapters(*, instance: Instance, now: datetime) -> None:
    """Those count no more that are closed, and that no needed base is followed through."""
    Instance.objects.select_for_update(no_key=True).get(pk=instance.pk)
    needed = reading.needed_bases(instance, now=now)
    closed = JournalChapter.objects.filter(instance=instance, is_closed=True, let_go_at=None)
    for each in closed.select_for_update(of=("self",)):
        if not any(_leads_on(each, base) for base in needed):
            let_go_of(chapter=each)


def let_go_of(*, chapter: JournalChapter) -> None:
    """It counts no more. The caller is in a transaction that holds the chapter."""
    chapter.pieces.all().delete()
    chapter.let_go_at = timezone.now()
    chapter.save(update_fields=["let_go_at"])


def doomed_chapters(*, instance: Instance) -> list[JournalChapter]:
    """Those that were let go and may still lie in the store."""
    mine = JournalChapter.objects.filter(instance=instance, destroyed_at=None)
    return list(mine.filter(let_go_at__isnull=False).select_related("instance"))


def end_all(*, instance: Instance) -> None:
    """Nothing of it is kept any more: no journal goes on, and no base leads anywhere."""
    for each in reading.open_of(instance):
        end(journal=each, why="The instance is deleted.")
    JournalBase.objects.filter(journal__instance=instance).delete()
    JournalChapter.objects.filter(instance=instance, is_closed=False).update(is_closed=True)


def record_destroyed(*, chapter: JournalChapter) -> None:
    """Its repository is gone."""
    chapter.destroyed_at = timezone.now()
    chapter.save(update_fields=["destroyed_at"])


def _leads_on(chapter: JournalChapter, base: JournalBase) -> bool:
    pieces = chapter.pieces.filter(journal=base.journal_id)
    return any(max(each.names) >= base.first_segment for each in pieces if each.names)


# The alarm


def watch(*, now: datetime) -> int:
    """One incident for each instance that can't be restored to every minute; how many these are."""
    late = 0
    going_on = Incident.objects.filter(kind=Incident.Kind.JOURNAL_BEHIND, closed_at=None)
    unwell = {each.instance_id: each for each in going_on.select_related("instance")}
    for instance in reading.kept():
        problem = _problem(instance, now)
        if problem:
            late += 1
            incidents.open_for(
                kind=Incident.Kind.JOURNAL_BEHIND, instance=instance, summary=problem
            )
        elif instance.pk in unwell:
            incidents.close(kind=Incident.Kind.JOURNAL_BEHIND, instance=instance)
        unwell.pop(instance.pk, None)
    for incident in unwell.values():  # deleted meanwhile, or on another plan
        incidents.close(kind=Incident.Kind.JOURNAL_BEHIND, instance=incident.instance)
    return late


def _problem(instance: Instance, now: datetime) -> str:
    """What is wrong, in a sentence; empty where nothing is, or it can't be otherwise."""
    if instance.state != Instance.State.RUNNING or _is_away(instance):
        return ""
    journals = list(reading.open_of(instance))
    for each in journals:
        why = f": {each.trouble}" if each.trouble else ""
        until = each.archived_until
        if now - (until or each.began_at) <= settings.BERTH_JOURNAL_MAX_AGE:
            continue
        if until is None:
            return f"{instance} can't be restored to a minute yet{why}"
        return (
            f"{instance} can be restored only to moments before {until:%Y-%m-%d %H:%M:%S} UTC{why}"
        )
    lacking = [each for each in journals if not _has_base(each)]
    if lacking and now - min(each.began_at for each in lacking) > BASE_PATIENCE:
        return f"{instance} has no base to follow its journal from: its backups do not succeed"
    return ""


def _is_away(instance: Instance) -> bool:
    """Whether it is in the middle of a change that its databases are stopped for."""
    kinds = (Operation.Kind.BACKUP,)
    return instance.operations.filter(state__in=ACTIVE_STATES).exclude(kind__in=kinds).exists()


@contextmanager
def _held(journal: Journal) -> Iterator[Journal]:
    """The journal, locked, if its token is the caller's still."""
    with transaction.atomic():
        mine = Journal.objects.select_for_update(of=("self",)).select_related("instance")
        held = mine.filter(pk=journal.pk, token=journal.token, ended_at=None).first()
        if held is None:
            raise Superseded
        yield held


def _take_over(held: Journal, *, until: datetime | None, snapshot: str, last_segment: str) -> None:
    held.snapshot, held.last_segment, held.trouble = snapshot, last_segment, ""
    held.archived_until = until or held.archived_until
    pause = SOON if until is None else EVERY  # there is more than was fetched
    held.due_at, held.token = timezone.now() + pause, None
    held.save()
