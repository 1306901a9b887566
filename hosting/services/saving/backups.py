"""Asking for backups, recording what became of them, and letting old ones go."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from secrets import token_urlsafe
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from hosting.models import ACTIVE_STATES, Backup, BackupStore, Instance, Operation
from hosting.selectors.saving import journals
from hosting.services.saving.retention import Kept, Policy, let_go
from hosting.services.working import operations
from tenants.errors import Refused
from tenants.services import audit
from tenants.services.actors import Actor

SWEPT_FOR = timedelta(days=7)
MOST_PINNED = 30
MOST_ASKED_A_DAY = 24
PASSWORD_BYTES = 32
SCHEDULER = Actor.system("backups")


@transaction.atomic
def request(
    *, instance: Instance, actor: Actor, trigger: Backup.Trigger = Backup.Trigger.ASKED
) -> Backup:
    """Ask for a backup now.

    Raises ``Refused`` where the instance is busy or holds nothing yet, and where so many were asked
    for within a day that they would only fill the place where all clients' backups are.
    """
    asked = instance.backups.filter(
        trigger=Backup.Trigger.ASKED, created_at__gt=timezone.now() - timedelta(days=1)
    )
    if trigger == Backup.Trigger.ASKED and asked.count() >= MOST_ASKED_A_DAY:
        raise Refused(f"{MOST_ASKED_A_DAY} backups of {instance.name} were asked for within a day.")
    operation = operations.request(instance=instance, kind=Operation.Kind.BACKUP, actor=actor)
    return Backup.objects.create(instance=instance, operation=operation, trigger=trigger)


def store_of(*, instance: Instance) -> BackupStore:
    """The instance's repository, with a password made at the first call."""
    store = BackupStore.objects.filter(instance=instance).first()
    if store is not None:
        return store
    with transaction.atomic():
        Instance.objects.select_for_update(no_key=True).get(pk=instance.pk)  # one at a time
        store = BackupStore.objects.filter(instance=instance).first()
        return store or BackupStore.objects.create(
            instance=instance, password=token_urlsafe(PASSWORD_BYTES)
        )


def lock_store(*, instance: Instance) -> BackupStore:
    """The same, locked until the caller's transaction ends."""
    store = store_of(instance=instance)
    return BackupStore.objects.select_for_update(no_key=True).get(pk=store.pk)


def record_made(*, instance: Instance) -> None:
    """The repository is there; from now on its absence is a loss. The caller is in a transaction
    that holds the operation's lease, as for all that are recorded below.
    """
    BackupStore.objects.filter(instance=instance).update(made_at=timezone.now())


def record(
    *,
    backup: Backup,
    manifest: Mapping[str, Any],
    secrets: Mapping[str, str],
    stored: Sequence[Mapping[str, Any]],
    taken_at: datetime,
    size_bytes: int,
    stored_bytes: int,
) -> None:
    """What was saved: see the fields of ``Backup``."""
    backup.manifest, backup.stored = dict(manifest), [dict(each) for each in stored]
    backup.secrets = json.dumps(dict(secrets))
    backup.taken_at = taken_at
    backup.size_bytes = size_bytes
    backup.stored_bytes = stored_bytes
    backup.save(
        update_fields=[
            *("manifest", "stored", "secrets"),
            *("taken_at", "size_bytes", "stored_bytes"),
        ]
    )


def record_proven(*, backup: Backup) -> None:
    """Everything was read back and is as it was written."""
    backup.verified_at = timezone.now()
    backup.save(update_fields=["verified_at"])


def dispensable(*, instance: Instance) -> list[Backup]:
    """What need not stay in the store: what retention lets go, and what was never proven.

    Only what is known here: a store may hold more than a database that was set back knows of.
    """
    there = instance.backups.filter(removed_at=None)
    proven = there.filter(verified_at__isnull=False)
    is_safety = Q(trigger=Backup.Trigger.SAFETY)
    good = list(proven.exclude(is_safety))
    ended = there.filter(verified_at=None).exclude(operation__state__in=ACTIVE_STATES)
    plan = instance.plan
    ids = let_go(
        [Kept(each.pk, each.taken_at or each.created_at, each.is_pinned) for each in good],
        policy=Policy(plan.keep_daily, plan.keep_weekly, plan.keep_monthly, plan.keep_yearly),
        zone=instance.client.timezone,
    )
    old = [each for each in good if each.pk in ids]
    unneeded = [*old, *_done_safeties(proven.filter(is_safety), has_other=bool(good)), *ended]
    kept = {each.backup_id for each in journals.needed_bases(instance, now=timezone.now())}
    return [each for each in unneeded if each.pk not in kept and not _is_being_copied(each)]


def _done_safeties(safeties: QuerySet[Backup], *, has_other: bool) -> list[Backup]:
    """Those made before a change whose way back is over; the newest stays if there is no other.

    They take no other's place: what is saved of an instance in trouble may be of less use than
    what was saved the night before.
    """
    now = timezone.now()
    needed = Q(is_pinned=True)
    left = Q()  # by a way that led nowhere: one that was taken back, or never got so far
    for way in ("made_before_restore", "made_before_upgrade"):
        needed |= Q(**{f"{way}__kept_until__gt": now})
        left &= Q(**{f"{way}__kept_until": None})
    recent = left & Q(created_at__gt=now - settings.BERTH_RESTORE_KEEP)
    newest = safeties.order_by("-taken_at").first()
    done = safeties.exclude(needed | recent).exclude(operation__state__in=ACTIVE_STATES)
    return [each for each in done if has_other or each != newest]


def _is_being_copied(backup: Backup) -> bool:
    """Whether an instance is just being made from it."""
    return backup.clones.filter(operations__state__in=ACTIVE_STATES).exists()


def let_go_of(*, backup: Backup) -> bool:
    """From now on it is no backup any more; False where somebody chose to keep it meanwhile.

    The caller is in a transaction that holds the operation's lease.
    """
    locked = Backup.objects.select_for_update(of=("self",)).get(pk=backup.pk)
    if locked.is_pinned or locked.removed_at is not None or _is_being_copied(locked):
        return False
    locked.removed_at, locked.secrets = timezone.now(), ""  # the keys are of no use any more
    locked.save(update_fields=["removed_at", "secrets"])
    audit.record(
        action="backup.removed",
        actor=SCHEDULER,
        client=locked.instance.client,
        obj=locked.instance,
        after={"backup": str(locked.pk), "proven": locked.verified_at is not None},
    )
    return True


def lately_let_go(*, instance: Instance) -> list[Backup]:
    """Those of which something may still lie in the store, since forgetting them failed."""
    since = timezone.now() - SWEPT_FOR
    return list(instance.backups.filter(removed_at__gt=since))


def ever_let_go(*, instance: Instance) -> list[Backup]:
    """All of them: some may lie in a second place that was away for long."""
    return list(instance.backups.filter(removed_at__isnull=False).only("pk"))


@transaction.atomic
def set_pinned(*, backup: Backup, is_pinned: bool, actor: Actor) -> None:
    """Keep a backup until it is let go by hand. Raises ``Refused`` for one that is gone."""
    locked = Backup.objects.select_for_update().get(pk=backup.pk)
    if not locked.is_good:
        raise Refused("Only a backup that was verified and is still there can be kept.")
    if locked.is_pinned == is_pinned:
        return
    kept = locked.instance.backups.filter(is_pinned=True, removed_at=None)
    if is_pinned and kept.count() >= MOST_PINNED:
        raise Refused(f"{MOST_PINNED} backups are kept already: let go of one of them first.")
    locked.is_pinned = is_pinned
    locked.save(update_fields=["is_pinned"])
    audit.record(
        action="backup.pinned" if is_pinned else "backup.unpinned",
        actor=actor,
        client=locked.instance.client,
        obj=locked.instance,
        after={"backup": str(locked.pk)},
    )


def refuse_download(*, backup: Backup) -> None:
    """Raise ``Refused`` for one that is not whole, or not there any more."""
    if backup.removed_at is not None:
        raise Refused("This backup was let go, so it can't be downloaded any more.")
    if backup.is_in_first_place or backup.is_in_second_place:
        return
    if backup.is_good:
        raise Refused("This backup lies in a second place that is not configured here any more.")
    if backup.operation is not None and backup.operation.state in ACTIVE_STATES:
        raise Refused("This backup is still being made; it can be downloaded once it is proven.")
    raise Refused("This backup failed, so there is nothing whole to download.")


@transaction.atomic
def record_downloaded(
    *, backup: Backup, actor: Actor, read_from: str = "", reason: str = ""
) -> None:
    """Someone takes it out, with every secret in it: to be called before the first byte.

    ``read_from`` names the place where that is not the usual one, ``reason`` is that of staff.
    Raises ``Refused`` as ``refuse_download`` does.
    """
    refuse_download(backup=Backup.objects.select_related("operation").get(pk=backup.pk))
    audit.record(
        action="backup.downloaded",
        actor=actor,
        client=backup.instance.client,
        obj=backup.instance,
        after={"backup": str(backup.pk), "taken_at": str(backup.taken_at)}
        | ({"read_from": read_from} if read_from else {})
        | ({"reason": reason} if reason else {}),
    )
