"""Change keys while everything runs: the master key, and the clients' data keys.

Every function does one bounded piece of work in a transaction of its own, so that an interruption
costs at most a batch; what is left to do is always read from the database.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, models, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from tenants.crypto import canary, create_data_key, datakeys, encrypted_fields
from tenants.crypto.envelope import DecryptionError
from tenants.crypto.fields import Ciphertext, EncryptedTextField, decrypt, encrypt
from tenants.crypto.master import keyring
from tenants.models import Client, DataKey, KeyCanary, KeyRotation
from tenants.services import audit
from tenants.services.actors import Actor

# How long a replaced data key is kept at least: work that loaded a value before may still read it.
KEEP_REPLACED = timedelta(hours=1)
_LOCK = 0x42657274680002  # pg_advisory_xact_lock: one start of a rotation at a time


@dataclass(frozen=True, slots=True)
class Batch:
    """What a batch did. ``failures`` are sentences that name an object and no secret."""

    done: int
    last_pk: UUID | None = None
    failures: tuple[str, ...] = ()
    failed: frozenset[UUID] = frozenset()


# --- The master key -----------------------------------------------------------------------------


def under_older_master_keys() -> QuerySet[DataKey]:
    """The data keys that are still to be re-wrapped."""
    return DataKey.objects.exclude(master_key_id=keyring().newest.id)


def rewrap_batch(*, size: int, skip: frozenset[UUID] = frozenset()) -> Batch:
    """Re-wrap up to ``size`` data keys, leaving those that someone else works on."""
    done, failures, failed = 0, [], set()
    with transaction.atomic():
        rows = under_older_master_keys().exclude(pk__in=skip).select_related("client")
        locked = rows.select_for_update(skip_locked=True, of=("self",), no_key=True)
        for row in locked.order_by("created_at")[:size]:
            try:
                datakeys.rewrap(row)
                done += 1
            except DecryptionError as error:
                failures.append(f"{row}: {error}")
                failed.add(row.pk)
    return Batch(done, failures=tuple(failures), failed=frozenset(failed))


def finish_rewrap(*, count: int, actor: Actor) -> list[str]:
    """Let go of master keys that wrap nothing any more; their ids."""
    with transaction.atomic():
        newest = keyring().newest
        canary.plant(newest)
        audit.reseal()
        released = canary.remove_unused()
        if count or released:
            audit.record(
                action="master_key.rotated",
                actor=actor,
                obj=KeyCanary.objects.get(pk=newest.id),
                after={"data_keys": count, "released": released},
            )
    return released


# --- The clients' data keys ---------------------------------------------------------------------


def begin_renewal(*, actor: Actor) -> tuple[KeyRotation, bool]:
    """The rotation to work on, and whether it is an interrupted one."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        unfinished = KeyRotation.objects.filter(finished_at=None).first()
        if unfinished is not None:
            return unfinished, True
        rotation = KeyRotation.objects.create()
        audit.record(action="data_keys.rotation_started", actor=actor, obj=rotation)
    return rotation, False


def without_new_key(*, rotation: KeyRotation) -> QuerySet[Client]:
    """The clients whose newest data key is older than the rotation."""
    newer = DataKey.objects.filter(client=OuterRef("pk"), created_at__gte=rotation.started_at)
    return Client.objects.filter(~Exists(newer)).order_by("pk")


def renew(*, client: Client, rotation: KeyRotation) -> None:
    """Give the client its new key, unless another process just has."""
    with transaction.atomic():
        Client.objects.select_for_update(no_key=True).get(pk=client.pk)
        if without_new_key(rotation=rotation).filter(pk=client.pk).exists():
            create_data_key(client=client)


def reencrypt_batch(
    *,
    model: type[models.Model],
    fields: list[EncryptedTextField],
    after_pk: UUID | None,
    size: int,
) -> Batch | None:
    """Put the values of up to ``size`` rows after ``after_pk`` under the newest keys.

    ``None`` when there are no more rows. Values that are there already cost a look.
    """
    with transaction.atomic():
        rows = model._base_manager.select_for_update(of=("self",), no_key=True).order_by("pk")
        if after_pk is not None:
            rows = rows.filter(pk__gt=after_pk)
        done, failures, last = 0, [], None
        for row in rows[:size]:
            last = row.pk
            try:
                done += _reencrypt(row, fields)
            except DecryptionError as error:
                failures.append(f"{model._meta.verbose_name} {row.pk}: {error}")
    return Batch(done, last, tuple(failures)) if last else None


def _reencrypt(row: models.Model, fields: list[EncryptedTextField]) -> int:
    """How many values of the row were not under the newest key."""
    changed = {}
    for field in fields:
        value: Ciphertext | None = row.__dict__[field.attname]
        if value is not None and value.version != _newest_version(row):
            changed[field.attname] = encrypt(row, field, decrypt(row, field, value))
    if changed:
        type(row)._base_manager.filter(pk=row.pk).update(**changed)
    return len(changed)


def _newest_version(row: models.Model) -> int:
    return datakeys.lock_current(row.encryption_client_id).version  # type: ignore[attr-defined]


def finish_renewal(*, rotation: KeyRotation, actor: Actor) -> None:
    """Every value is under the new keys."""
    with transaction.atomic():
        rotation.finished_at = timezone.now()
        rotation.save(update_fields=["finished_at"])
        audit.record(action="data_keys.rotated", actor=actor, obj=rotation)


# --- Old versions -------------------------------------------------------------------------------


def replaced(*, now: datetime) -> QuerySet[DataKey]:
    """Versions that were replaced long enough ago. Never the first: ``derive`` hangs on it."""
    successors = DataKey.objects.filter(
        client=OuterRef("client"),
        version__gt=OuterRef("version"),
        created_at__lte=now - KEEP_REPLACED,
    )
    return DataKey.objects.filter(Exists(successors), version__gt=1)


def remove_replaced(*, now: datetime, actor: Actor) -> int:
    """Remove replaced versions that nothing is encrypted under; how many.

    The lock waits for every transaction that encrypts under one of them, and what such a
    transaction wrote is seen by the walk that follows.
    """
    with transaction.atomic():
        pks = list(replaced(now=now).values_list("pk", flat=True))
        locked = list(DataKey.objects.filter(pk__in=pks).order_by("pk").select_for_update())
        if not locked:
            return 0
        used = set(_versions_in_use())
        unused = [row for row in locked if (row.client_id, row.version) not in used]
        for row in unused:
            row_client = row.client
            audit.record(action="data_key.removed", actor=actor, client=row_client, obj=row)
        DataKey.objects.filter(pk__in=[row.pk for row in unused]).delete()
    return len(unused)


def _versions_in_use() -> Iterator[tuple[UUID, int]]:
    """Whose data key, and which, each stored value needs."""
    for model, fields in encrypted_fields():
        for row in model._base_manager.order_by().iterator(chunk_size=500):
            for field in fields:
                value: Ciphertext | None = row.__dict__[field.attname]
                if value is not None:
                    yield row.encryption_client_id, value.version  # type: ignore[attr-defined]
