"""Looking after the backups: what comes back, beside the backups themselves."""

from __future__ import annotations

import logging
import urllib.request

from django.conf import settings
from django.utils import timezone

from hosting.engines.errors import EngineError
from hosting.engines.restic import BROKEN
from hosting.flows.saving import chapters, repositories
from hosting.models import BackupStore, Incident, Instance
from hosting.services.saving import backup_copies, backup_stores
from hosting.services.watching import incidents

PING_TIMEOUT_SECONDS = 10
_SILENCING = (  # what may cost a client data
    *(Incident.Kind.BACKUP_DAMAGED, Incident.Kind.RESTORE_TEST_FAILED),
    *(Incident.Kind.RESTORE_TEST_OVERDUE, Incident.Kind.JOURNAL_BEHIND),
    *(Incident.Kind.JOURNAL_NOT_COPIED, Incident.Kind.BACKUP_NOT_COPIED),
)
logger = logging.getLogger(__name__)


def prune() -> None:
    """Give back the space of backups that were let go, where that is due."""
    now = timezone.now()
    for store in backup_stores.take_prunable(now=now):
        try:
            _prune(store)
        except EngineError as error:
            logger.warning("the repository %s could not be pruned: %s", store, error)
        except Exception:  # the stores behind it are none the worse for it
            logger.exception("the repository %s could not be pruned", store)
        else:
            backup_stores.record_pruned(store=store, now=now)


def destroy() -> None:
    """Remove the repositories of instances that were deleted long enough ago."""
    for store in backup_stores.destroyable(now=timezone.now()):
        try:
            _destroy(store)
        except Exception:  # the stores behind it are none the worse for it
            logger.exception("the repository %s could not be removed", store)


def watch() -> None:
    """Raise the alarm where the last proven backup, or its last copy, is too old.

    Tell the outside if all is well.
    """
    late = backup_stores.watch_ages(now=timezone.now())
    backup_copies.watch(now=timezone.now())
    wrong = Incident.objects.filter(kind__in=_SILENCING, closed_at=None)
    if settings.BERTH_DEAD_MANS_URL and not late and not wrong.exists():
        request = urllib.request.Request(settings.BERTH_DEAD_MANS_URL)  # noqa: S310  (a setting)
        with urllib.request.urlopen(request, timeout=PING_TIMEOUT_SECONDS):  # noqa: S310
            pass


def tell_if_broken(instance: Instance, error: EngineError) -> None:
    """An incident where the repository itself is the trouble, not the way to it."""
    if isinstance(error, BROKEN):
        kind = Incident.Kind.BACKUP_DAMAGED
        incidents.open_for(kind=kind, instance=instance, summary=f"{instance}: {error}")


def tell_if_copy_broken(instance: Instance, error: EngineError) -> None:
    """The same of the second place: it is written down too, as long as it goes on."""
    if isinstance(error, BROKEN):
        backup_copies.record_trouble(instance=instance, trouble=str(error))


def _prune(store: BackupStore) -> None:
    second = repositories.copy(store.instance) if store.is_copied else None
    places = [(repositories.primary(store.instance), tell_if_broken)]
    if second is not None:
        places.append((second, tell_if_copy_broken))
    for repository, tell in places:
        try:
            repository.prune()
        except EngineError as error:
            tell(store.instance, error)
            raise


def _destroy(store: BackupStore) -> None:
    try:
        chapters.destroy_all(store.instance)
        for repository in repositories.ever(store.instance):
            repository.destroy()
    except EngineError as error:
        logger.warning("the repository %s could not be removed: %s", store, error)
    else:
        backup_stores.record_destroyed(store=store)
