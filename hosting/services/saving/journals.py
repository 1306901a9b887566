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

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from hosting.models import (
    ACTIVE_STATES,
    Backup,
    Instance,
    Journal,
    JournalBase,
    JournalChapter,
    JournalPiece,
)
from hosting.selectors.saving import journals as reading
from hosting.services.saving import backups
from tenants.errors import Refused

EVERY = timedelta(seconds=20)
SOON = timedelta(seconds=2)
LEASE = timedelta(seconds=60)  # of a token; whoever goes on extends it
BASE_RETRY = timedelta(hours=1)


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


def record_looked(
    *, journal: Journal, until: datetime | None, snapshot: str, last_segment: str
) -> None:
    """All that there is was stored, up to ``until``. Raises ``Superseded``."""
    with _held(journal) as held:
        _take_over(held, until=until, snapshot=snapshot, last_segment=last_segment)


def record_stored(
    *,
    journal: Journal,
    piece: uuid.UUID,
    chapter: JournalChapter,
    names: Sequence[str],
    written: Mapping[str, Any],
    until: datetime | None,
    snapshot: str,
    last_segment: str,
) -> None:
    """These were stored as that piece. Raises ``Superseded``: then they count for nothing."""
    with _held(journal) as held:
        JournalPiece.objects.create(
            pk=piece,
            journal=held,
            chapter=chapter,
            names=list(names),
            written=dict(written),
            size_bytes=written["size"],
            until=until,
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


def record_trouble(*, journal: Journal, trouble: str, is_unkept: bool = False) -> None:
    """It could not be fetched this time; it is tried again as soon as ever.

    ``is_unkept``: its database answered, and keeps no journal until it is started anew.
    """
    mine = Journal.objects.filter(pk=journal.pk, token=journal.token)
    mine.update(trouble=trouble, is_unkept=is_unkept, due_at=timezone.now() + EVERY, token=None)


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
    """Those that run: what is stopped is saved as it lies, and files at rest are no base."""
    ready = Journal.objects.filter(ended_at=None, archived_until__isnull=False)
    running = reading.kept().filter(state=Instance.State.RUNNING)
    for instance in running.filter(pk__in=ready.values("instance_id")):
        if any(not reading.has_base(each) for each in reading.open_of(instance)):
            yield instance


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


def begin_elsewhere(*, instance: Instance) -> None:
    """What comes goes into another chapter, from a journal of its own: the bases so far are lost.

    Chapters stay as they are: what they hold may be all that there is in the second place.
    """
    for each in reading.open_of(instance):
        end(journal=each, why="The repository of its bases was begun anew.")
    JournalChapter.objects.filter(instance=instance, is_closed=False).update(is_closed=True)


def end_all(*, instance: Instance) -> None:
    """Nothing of it is kept any more: no journal goes on, and no base leads anywhere."""
    for each in reading.open_of(instance):
        end(journal=each, why="The instance is deleted.")
    JournalBase.objects.filter(journal__instance=instance).delete()
    JournalChapter.objects.filter(instance=instance, is_closed=False).update(is_closed=True)


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
    held.is_unkept = False
    held.archived_until = until or held.archived_until
    pause = SOON if until is None else EVERY  # there is more than was fetched
    held.due_at, held.token = timezone.now() + pause, None
    held.save()
