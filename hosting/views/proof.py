"""How well an instance's data is saved, in words for the client."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from hosting.models import Backup, Incident, Instance, Operation, RestoreTest
from hosting.selectors.saving import backups as reading
from hosting.selectors.saving import journals, restore_tests
from hosting.services.saving import nights
from hosting.views.presentation import InstanceView
from hosting.views.states import OPERATION, Status

NEWEST = 10  # on an instance's page
_PROVEN = Status("Proven", "running", "done")
_NOT_PROVEN = Status("Not proven", "stopped", "cancelled")  # and nothing known of its operation


@dataclass(frozen=True, slots=True)
class BackupView:
    """A backup as a line: ``status`` in words and colour, ``test`` the last one that ended."""

    backup: Backup
    status: Status
    test: RestoreTest | None = None

    def what_shows(self) -> tuple[object, ...]:
        """What can change about it on a page."""
        backup = self.backup
        tested = self.test.pk if self.test else None
        said = (backup.pk, self.status.word, backup.is_pinned, backup.taken_at, backup.size_bytes)
        return (*said, tested, self.places)

    @property
    def places(self) -> str:
        """In how many places it lies; empty where one is all there is meant to be."""
        return places_of(self.backup)


@dataclass(frozen=True, slots=True)
class Proof:
    """What there is to go back to, what is wrong, and when the next attempt is made.

    ``next_at`` is None where that is in a moment (``is_soon``), or never. ``waits_for_start``: its
    plan restores to a minute, and nothing is kept for it until the instance is started anew.
    """

    newest: Backup | None
    test: RestoreTest | None  # the last one of any backup of the instance
    incident: Incident | None
    failed: Backup | None
    next_at: datetime | None
    is_soon: bool
    is_made_now: bool
    never_ran: bool
    waits_for_start: bool

    @property
    def is_damaged(self) -> bool:
        """Whether what is stored can't be relied upon."""
        return self.incident is not None and self.incident.kind == Incident.Kind.BACKUP_DAMAGED

    @property
    def places(self) -> str:
        """In how many places the newest lies; empty where one is all there is meant to be."""
        return places_of(self.newest) if self.newest else ""

    @property
    def why(self) -> str:
        """Why the last attempt failed, in a sentence."""
        operation = self.failed.operation if self.failed else None
        return operation.reason if operation else ""

    def what_shows(self) -> tuple[object, ...]:
        """What can change about it on a page."""
        rows = (self.newest, self.test, self.incident, self.failed)
        keys = [row.pk if row else None for row in rows]
        said = (self.next_at, self.is_soon, self.is_made_now, self.never_ran, self.waits_for_start)
        return (*keys, *said, self.places)


def places_of(backup: Backup) -> str:
    """As the property says."""
    if not settings.BERTH_BACKUP_COPY or not backup.is_good:
        return ""
    is_in_both = backup.is_in_first_place and backup.is_in_second_place
    return "in two places" if is_in_both else "in one place"


def proof_of(shown: InstanceView, *, now: datetime) -> Proof:
    """As of that moment. Five queries, and two more where the plan restores to a minute."""
    instance = shown.instance
    to_a_minute = bool(instance.plan.point_in_time_days)
    next_at = nights.next_at(instance=instance, now=now)
    is_soon = next_at is not None and next_at <= now
    active = shown.active.operation if shown.active else None
    return Proof(
        newest=reading.newest_proven(instance),
        test=restore_tests.last_of(instance),
        incident=reading.incident_of(instance),
        failed=reading.last_failed(instance),
        next_at=None if is_soon else next_at,
        is_soon=is_soon,
        is_made_now=active is not None and active.kind == Operation.Kind.BACKUP,
        never_ran=instance.first_running_at is None,
        waits_for_start=to_a_minute and journals.waits_for_start(instance),
    )


def show_newest(instance: Instance) -> tuple[list[BackupView], bool]:
    """The newest ones, and whether there are more."""
    found = list(reading.of_instance(instance)[: NEWEST + 1])
    return [show_backup(each) for each in found[:NEWEST]], len(found) > NEWEST


def show_backup(backup: Backup) -> BackupView:
    """From one of ``selectors.backups.of_instance``."""
    if backup.verified_at is not None:
        tests: list[RestoreTest] = backup.ended_tests  # type: ignore[attr-defined]  # prefetched
        return BackupView(backup, _PROVEN, next(iter(tests), None))
    if backup.operation is None:
        return BackupView(backup, _NOT_PROVEN)
    return BackupView(backup, OPERATION[Operation.State(backup.operation.state)])
