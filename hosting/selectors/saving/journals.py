"""Reading journals: to which moments an instance can be restored, and from what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Min, Q, QuerySet

from hosting.catalog import builder
from hosting.catalog.schema import App
from hosting.models import (
    ACTIVE_STATES,
    Backup,
    Incident,
    Instance,
    Journal,
    JournalBase,
    JournalPiece,
)

_GOOD = Q(backup__verified_at__isnull=False, backup__removed_at=None)


@dataclass(frozen=True, slots=True)
class Span:
    """A time without a gap, of which every moment can be restored; both ends are in it."""

    start: datetime
    end: datetime


def kept() -> QuerySet[Instance]:
    """The instances whose databases' journals are to be kept in the store."""
    return (
        Instance.objects.filter(
            plan__point_in_time_days__gt=0,
            purpose=Instance.Purpose.CLIENT,
            first_running_at__isnull=False,
            delete_requested_at=None,
        )
        .exclude(state=Instance.State.DELETED)
        .select_related("client", "plan", "server")
    )


def open_of(instance: Instance) -> QuerySet[Journal]:
    """What is kept of it at present, by service."""
    return Journal.objects.filter(instance=instance, ended_at=None).order_by("service")


def databases(instance: Instance) -> tuple[str, ...]:
    """The services whose journals there should be. Raises pydantic's ``ValidationError``."""
    return builder.databases(App.model_validate(instance.definition))


def waits_for_start(instance: Instance) -> bool:
    """Whether it runs without keeping a journal, until it is started anew.

    So it is where the plan got this while the instance ran: PostgreSQL begins only at a start.
    """
    unkept = open_of(instance).filter(is_unkept=True, generation=instance.generation)
    is_idle = not instance.operations.filter(state__in=ACTIVE_STATES).exists()
    return instance.state == Instance.State.RUNNING and is_idle and unkept.exists()


def has_base(journal: Journal) -> bool:
    """Whether there is a good one to follow it from."""
    return journal.bases.filter(_GOOD, backup__lost_at=None).exists()


def baseless_since(instance: Instance) -> datetime | None:
    """From when on nothing can be restored yet, as a base is still to be made; None: never."""
    found = open_of(instance).filter(archived_until__isnull=False)
    lacking = [each.began_at for each in found if not has_base(each)]
    return min(lacking, default=None)


def is_any_stored(instance: Instance) -> bool:
    """Whether anything of its journals is in the store."""
    return JournalPiece.objects.filter(chapter__instance=instance, chapter__let_go_at=None).exists()


def uncopied() -> QuerySet[JournalPiece]:
    """What is in the store and not in the second place that is set now."""
    elsewhere = Q(is_copied=False) | ~Q(chapter__copied_to=settings.BERTH_BACKUP_COPY)
    return JournalPiece.objects.filter(elsewhere, chapter__let_go_at=None)


def is_in_second_place(piece: JournalPiece) -> bool:
    """Whether the second place that is set now has it."""
    place = settings.BERTH_BACKUP_COPY
    return bool(place) and piece.is_copied and piece.chapter.copied_to == place


def uncopied_since(instance: Instance) -> datetime | None:
    """Since when the oldest of these lies in the store; None where there is none."""
    mine = uncopied().filter(chapter__instance=instance)
    first: datetime | None = mine.aggregate(first=Min("stored_at"))["first"]
    return first


def archived_until(instance: Instance) -> datetime | None:
    """The moment up to which the store holds all of its databases; None where it holds none."""
    said = [each.archived_until for each in open_of(instance)]
    known = [each for each in said if each is not None]
    return min(known) if known and len(known) == len(said) else None


def spans(instance: Instance) -> list[Span]:
    """The times of which every moment can be restored, oldest first; they do not touch."""
    found: list[Span] = []
    for bases in _bases_by_backup(instance):
        span = _span(bases)
        if span is None or _is_lost(bases):
            continue
        last = found[-1] if found else None
        if last is not None and span.start <= last.end:
            found[-1] = Span(last.start, max(last.end, span.end))
        else:
            found.append(span)
    return found


def backup_for(instance: Instance, at: datetime) -> Backup | None:
    """The newest backup from which the instance can be brought to that moment."""
    for bases in reversed(_bases_by_backup(instance)):
        span = _span(bases)
        if span is not None and not _is_lost(bases) and span.start <= at <= span.end:
            return bases[0].backup
    return None


def bases_of(backup: Backup) -> list[JournalBase]:
    """The bases that it holds, by service."""
    found = JournalBase.objects.filter(backup=backup).select_related("journal")
    return list(found.order_by("journal__service"))


def pieces_of(journal: Journal) -> QuerySet[JournalPiece]:
    """What is stored of it, in order."""
    return journal.pieces.select_related("chapter__instance").order_by("stored_at", "pk")


def needed_bases(instance: Instance, *, now: datetime) -> set[JournalBase]:
    """Those from which some moment of the time that the plan promises can be restored."""
    days = instance.plan.point_in_time_days
    if not days:
        return set()
    since, needed = now - timedelta(days=days), set()
    by_journal: dict[object, list[JournalBase]] = {}
    for bases in _bases_by_backup(instance):
        for base in bases:
            by_journal.setdefault(base.journal_id, []).append(base)
    for found in by_journal.values():
        older = [each for each in found if each.ended_at <= since]
        needed |= set(older[-1:]) | {each for each in found if each.ended_at > since}
    return {each for each in needed if _reaches(each.journal, since)}


def incident_of(instance: Instance) -> Incident | None:
    """What is wrong with its journals."""
    kind = Incident.Kind.JOURNAL_BEHIND
    return Incident.objects.filter(instance=instance, kind=kind, closed_at=None).first()


def _reaches(journal: Journal, since: datetime) -> bool:
    return journal.ended_at is None or (journal.archived_until or since) > since


def _bases_by_backup(instance: Instance) -> list[list[JournalBase]]:
    """The bases of each good backup that has them, oldest first."""
    found = (
        JournalBase.objects.filter(_GOOD, backup__instance=instance)
        .select_related("journal", "backup")
        .defer("backup__secrets", "backup__manifest", "backup__stored")
        .order_by("ended_at")
    )
    by_backup: dict[object, list[JournalBase]] = {}
    for base in found:
        by_backup.setdefault(base.backup_id, []).append(base)
    return sorted(by_backup.values(), key=lambda bases: max(each.ended_at for each in bases))


def _is_lost(bases: Iterable[JournalBase]) -> bool:
    """Whether neither place has them any more."""
    backups = [each.backup for each in bases]
    return not all(each.is_in_first_place or each.is_in_second_place for each in backups)


def _span(bases: Iterable[JournalBase]) -> Span | None:
    """What can be restored from these together; None where that is no moment."""
    ends = [each.journal.archived_until for each in bases]
    if not ends or None in ends:
        return None
    start = max(each.ended_at for each in bases)
    end = min(each for each in ends if each is not None)
    return Span(start, end) if start <= end else None
