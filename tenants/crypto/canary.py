"""Proof that BERTH_MASTER_KEY is the one that this database was written with."""

from __future__ import annotations

from django.db import connection

from tenants.crypto import envelope
from tenants.crypto.master import Keyring, MasterKey, MasterKeyError, keyring
from tenants.crypto.tables import audit_heads, canaries, data_keys, owner_of

_TEXT = b"This database was written with this master key."


def _associated(key_id: str) -> bytes:
    return f"canary|{key_id}".encode()


def plant(master: MasterKey) -> None:
    """Leave the proof for a master key, once, before the first thing is wrapped by it."""
    if canaries().filter(pk=master.id).exists():
        return
    sealed = master.wrap(_TEXT, _associated(master.id))
    canary = canaries().model(master_key_id=master.id, sealed=sealed)
    canaries().bulk_create([canary], ignore_conflicts=True)


def remove_unused() -> list[str]:
    """Forget the master keys that wrap nothing any more; returns their ids."""
    unused = canaries().exclude(pk__in=_used() | {keyring().newest.id})
    ids = sorted(unused.values_list("pk", flat=True))
    unused.delete()
    return ids


def examine_master_key() -> str | None:
    """What is wrong with BERTH_MASTER_KEY, as one sentence, or None. Reads only.

    A database without Berth's tables proves nothing, and is not an error.
    """
    try:
        ring = keyring()
    except MasterKeyError as error:
        return str(error)
    if not _has_tables():
        return None
    return _missing(ring) or _different(ring)


def verify_master_key() -> None:
    """Refuse to start with a wrong master key: MasterKeyError, one sentence.

    To be called once by every web and worker process when it starts. The first start of all
    leaves the proof for the later ones.
    """
    problem = examine_master_key()
    if problem:
        raise MasterKeyError(problem)
    if _has_tables():
        plant(keyring().newest)


def _has_tables() -> bool:
    existing = connection.introspection.table_names()
    return {each().model._meta.db_table for each in (canaries, audit_heads)} <= set(existing)


def _used() -> set[str]:
    """The master keys under which something still is."""
    wrapped = data_keys().order_by().values_list("master_key_id", flat=True).distinct()
    return {*wrapped, *audit_heads().values_list("master_key_id", flat=True)}


def _missing(ring: Keyring) -> str | None:
    """The database needs a key that is not configured."""
    used = _used() or set(canaries().values_list("pk", flat=True))
    missing = sorted(used - set(ring.ids))
    if not missing:
        return None
    has, needs = _quoted(ring.ids), _quoted(missing)
    return (
        f"BERTH_MASTER_KEY does not fit this database: it has the {_keys(ring.ids)} {has},"
        f" the database was written with {needs}."
    )


def _different(ring: Keyring) -> str | None:
    """A configured key has the right name and another value."""
    for key in ring.keys:
        if not _fits(key):
            return (
                f"BERTH_MASTER_KEY does not fit this database: its key “{key.id}” is not the"
                f" “{key.id}” that the database was written with."
            )
    return None


def _fits(key: MasterKey) -> bool:
    """Whether the key reads its canary and, should someone have removed that, a data key."""
    try:
        for planted in canaries().filter(pk=key.id):
            key.unwrap(bytes(planted.sealed), _associated(key.id))
        for row in data_keys().filter(master_key_id=key.id).order_by("created_at")[:1]:
            key.unwrap(bytes(row.wrapped), f"{owner_of(row)}|datakey|{row.version}".encode())
    except envelope.DecryptionError:
        return False
    return True


def _keys(ids: tuple[str, ...]) -> str:
    return "key" if len(ids) == 1 else "keys"


def _quoted(ids: list[str] | tuple[str, ...]) -> str:
    return ", ".join(f"“{each}”" for each in ids)
