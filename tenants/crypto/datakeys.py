"""The clients' data keys: made, found, cached for a moment, derived from."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.db import connection, transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from tenants.crypto import canary, envelope
from tenants.crypto.master import keyring
from tenants.crypto.tables import HOUSE, clients, data_keys, owner_of

if TYPE_CHECKING:
    from tenants.models import Client, DataKey

CACHE_SECONDS = 60.0
CACHE_SIZE = 1024
_HOUSE_LOCK = 0x42657274680004  # pg_advisory_xact_lock: Berth's own key is made once
# Not ORDER BY ... LIMIT 1: had the newest been removed while we waited for it, that would lock
# an older one.
_CURRENT = """
    SELECT * FROM tenants_datakey
    WHERE client_id IS NOT DISTINCT FROM %(client)s
    AND version = (
        SELECT max(version) FROM tenants_datakey WHERE client_id IS NOT DISTINCT FROM %(client)s
    )
    FOR KEY SHARE
"""


@dataclass(frozen=True)
class ClientKey:
    """An unwrapped data key and its version."""

    version: int
    key: bytes = field(repr=False)


def _associated(client_id: UUID, version: int) -> bytes:
    return f"{client_id}|datakey|{version}".encode()


def create_data_key(*, client: Client) -> DataKey:
    """The client's next data key. From the commit on its values are encrypted under it."""
    with transaction.atomic():
        clients().select_for_update(no_key=True).get(pk=client.pk)
        latest = data_keys().filter(client=client).order_by("-version").first()
        return _create(client, latest.version + 1 if latest else 1)


def _create(client: Client | None, version: int) -> DataKey:
    master = keyring().newest
    canary.plant(master)
    owner_id = client.pk if client else HOUSE
    return data_keys().create(
        client=client,
        version=version,
        master_key_id=master.id,
        wrapped=master.wrap(envelope.new_key(), _associated(owner_id, version)),
    )


def _create_house_key() -> None:
    """Berth's own data key, unless somebody has made it meanwhile."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_HOUSE_LOCK])
        if not data_keys().filter(client=None).exists():
            _create(None, 1)


def unwrap(row: DataKey) -> bytes:
    """The key of a row; DecryptionError if the row was altered or its master key is missing."""
    associated = _associated(owner_of(row), row.version)
    return keyring().get(row.master_key_id).unwrap(bytes(row.wrapped), associated)


def rewrap(row: DataKey) -> None:
    """Put the row's key under the newest master key. The caller holds the row's lock."""
    master = keyring().newest
    canary.plant(master)
    row.wrapped = master.wrap(unwrap(row), _associated(owner_of(row), row.version))
    row.master_key_id = master.id
    row.rewrapped_at = timezone.now()
    row.save(update_fields=["wrapped", "master_key_id", "rewrapped_at"])


def lock_current(client_id: UUID) -> ClientKey:
    """The key to encrypt with, which can't be removed before the caller's transaction ends.

    FOR KEY SHARE holds off nothing but the removal of this row: neither other writers nor a
    re-wrap under another master key. Berth's own (``HOUSE``) is made when it is first asked for.
    """
    for _ in range(2):  # the row that was found can be removed while we wait for its lock
        for row in data_keys().raw(_CURRENT, {"client": _column(client_id)}):
            return ClientKey(row.version, unwrap(row))
        if client_id == HOUSE:
            _create_house_key()
    raise envelope.DecryptionError(f"The client {client_id} has no data key.")


def _column(owner_id: UUID) -> UUID | None:
    """As the table has it: nobody's are Berth's own."""
    return None if owner_id == HOUSE else owner_id


class _Cache:
    """Unwrapped keys for reading: few, and each for a short time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: OrderedDict[tuple[UUID, int], tuple[float, bytes]] = OrderedDict()

    def get(self, client_id: UUID, version: int) -> bytes | None:
        with self._lock:
            expires_at, key = self._keys.get((client_id, version), (0.0, b""))
            return key if time.monotonic() < expires_at else None

    def put(self, client_id: UUID, version: int, key: bytes) -> None:
        with self._lock:
            self._keys[client_id, version] = (time.monotonic() + CACHE_SECONDS, key)
            self._keys.move_to_end((client_id, version))
            while len(self._keys) > CACHE_SIZE:
                self._keys.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._keys.clear()


_cache = _Cache()


def forget_cached_keys() -> None:
    """Forget every unwrapped key of this process, as after shredding a client's keys.

    Other processes forget them within ``CACHE_SECONDS``.
    """
    _cache.clear()


def cached(client_id: UUID, version: int) -> bytes | None:
    """The key to decrypt with, if this process has read it in the last minute."""
    return _cache.get(client_id, version)


@sensitive_variables()
def load(client_id: UUID, version: int) -> bytes:
    """The key to decrypt with, from the database; DecryptionError where there is none."""
    row = data_keys().filter(client=_column(client_id), version=version).first()
    if row is None:
        raise envelope.DecryptionError(f"The client {client_id} has no data key {version}.")
    key = unwrap(row)
    _cache.put(client_id, version, key)
    return key


@sensitive_variables()
def derive(client: Client, purpose: str, *, version: int = 1) -> bytes:
    """32 bytes that belong to this client and purpose, the same every time (HKDF-SHA256).

    They hang on one version of the data key: the first, which rotation therefore keeps, unless
    the caller has recorded another.
    """
    key = cached(client.pk, version) or load(client.pk, version)
    info = f"berth|derive|{client.pk}|{version}|{purpose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key)
