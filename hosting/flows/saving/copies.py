"""Bringing backups to the second place, where there is one.

Each goes there right after it was proven. A place that is slow or away makes no backup the worse:
what it lacks is brought there later, as the database knows it. A copy is made once in each place:
one that was lost there must not come back empty.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from hosting.engines.errors import EngineError, TryLater
from hosting.engines.restic import AWAY, Damaged, Repository, Watch
from hosting.flows.base import Work
from hosting.flows.saving import choosing, repositories, snapshots, sources, upkeep
from hosting.flows.saving.reading import read_back, watched
from hosting.models import Backup, BackupStore, Instance
from hosting.services.saving import backup_copies, backups

logger = logging.getLogger(__name__)

EVERY = timedelta(minutes=5)
LONGEST = timedelta(minutes=10)  # of one call: the rest comes at the next


def copy(work: Work) -> None:
    """Bring the backup that was just proven to the second place.

    Whatever is in the way there, this backup is good: that has an alarm of its own.
    """
    backup, second = _backup(work), repositories.copy(work.instance)
    if second is None:
        work.report("no second place is configured here")
        return
    work.report("copying to the second place")
    try:
        _bring(backup, second, watch=partial(watched, work))
    except EngineError as error:
        _do_without(work, error)
        work.report(f"{error}; this backup is in the first place only")
        return
    with work.writing():
        backup_copies.record_copied(backup=backup, path=second.name)


def prove(work: Work) -> None:
    """Read it back from there, where that was not done with any for so long."""
    backup = _backup(work)
    if not backup.is_in_second_place:
        work.report("there is no copy to be read")
        return
    if backup_copies.is_to_be_read(instance=work.instance, now=timezone.now()):
        try:
            read_back(work, sources.second(backup))
        except EngineError as error:
            _do_without(work, error)
            work.report(f"{error}; the copy is not proven")
            return
        with work.writing():
            backup_copies.record_read(backup=backup)
        work.report("all of it is there as it was written")
    else:
        work.report("one was read back lately")
    backup_copies.record_well(instance=work.instance, now=timezone.now())


def sweep(work: Work) -> None:
    """Forget there whatever was let go, ever: the place may have been away for long."""
    second, gone = repositories.copy(work.instance), backups.ever_let_go(instance=work.instance)
    if second is None or not gone or not _backup(work).is_in_second_place:
        return  # or it is away still
    try:
        snapshots.sweep(second, gone)
    except EngineError as error:
        upkeep.tell_if_copy_broken(work.instance, error)
        work.report(f"in the second place {error}: what was let go is left there for another night")


def copy_due() -> None:
    """Bring there what was missed, newest first; where the place is away nothing else is tried."""
    if not settings.BERTH_BACKUP_COPY:
        return
    began = time.monotonic()
    for store in backup_copies.take_due(now=timezone.now()):
        try:
            _catch_up(store, until=began + LONGEST.total_seconds())
        except EngineError as error:
            logger.warning("the backups of %s could not be copied: %s", store.instance, error)
            upkeep.tell_if_copy_broken(store.instance, error)
            if isinstance(error, AWAY):
                return
        if time.monotonic() - began > LONGEST.total_seconds():
            return


def _backup(work: Work) -> Backup:
    known = Backup.objects.select_related("instance")
    return known.get(operation_id=work.lease.operation_id)


def _do_without(work: Work, error: EngineError) -> None:
    """Go on without the second place; raises the error where it is tried again first."""
    upkeep.tell_if_copy_broken(work.instance, error)
    if isinstance(error, TryLater) and not choosing.was_tried_enough(work):
        raise error


def _catch_up(store: BackupStore, *, until: float) -> None:
    second = repositories.copy(store.instance)
    for backup in backup_copies.lacking(store.instance):
        if second is None or time.monotonic() > until:
            return
        try:
            _bring(backup, second, watch=iter)
        except Damaged:
            if not backup_copies.was_let_go(backup=backup):
                raise
            continue  # meanwhile, or part of it
        with transaction.atomic():
            backup_copies.record_copied(backup=backup, path=second.name)
    backup_copies.record_well(instance=store.instance, now=timezone.now())


def _bring(backup: Backup, second: Repository, *, watch: Watch) -> None:
    """Have all of it there. Raises ``EngineError``."""
    _ensure(backup.instance, second)
    stored = [each.snapshot for each in snapshots.written_of(backup)]
    repositories.primary(backup.instance).copy_to(second, stored, watch=watch)
    sources.second(backup).check()


def _ensure(instance: Instance, second: Repository) -> None:
    # One at a time, as for the first place: see ``backup.open_store``.
    with transaction.atomic():
        store = backups.lock_store(instance=instance)
        if not store.is_copied:
            second.ensure()
            backup_copies.record_made(store=store)
