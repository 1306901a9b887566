"""The master keys, out of the environment and never in the database."""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import hmac
import re
from dataclasses import dataclass, field

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.views.decorators.debug import sensitive_variables

from tenants.crypto import envelope

_KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


class MasterKeyError(ImproperlyConfigured):
    """BERTH_MASTER_KEY is malformed or does not fit the database; one sentence, no secret."""


@dataclass(frozen=True)
class MasterKey:
    """One master key. Its id is public and stored beside whatever it wraps."""

    id: str
    key: bytes = field(repr=False)

    def wrap(self, plaintext: bytes, associated: bytes) -> bytes:
        """``plaintext`` under this key."""
        return envelope.seal(self.key, plaintext, associated)

    def unwrap(self, wrapped: bytes, associated: bytes) -> bytes:
        """What was wrapped; DecryptionError if it was not wrapped by this key."""
        return envelope.unseal(self.key, wrapped, associated)

    def sign(self, purpose: str, message: bytes) -> str:
        """An HMAC of the message in hex, under a key of its own for each purpose."""
        subkey = hmac.digest(self.key, b"berth|sign|" + purpose.encode(), hashlib.sha256)
        return hmac.new(subkey, message, hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Keyring:
    """The master keys in the order of BERTH_MASTER_KEY."""

    keys: tuple[MasterKey, ...]

    @property
    def newest(self) -> MasterKey:
        """The key for everything that is wrapped from now on."""
        return self.keys[0]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, newest first."""
        return tuple(each.id for each in self.keys)

    def find(self, key_id: str) -> MasterKey | None:
        """The key with that id, if it is configured."""
        return next((each for each in self.keys if each.id == key_id), None)

    def get(self, key_id: str) -> MasterKey:
        """The key with that id; DecryptionError where it is not configured."""
        found = self.find(key_id)
        if found is None:
            raise envelope.DecryptionError(
                f"The master key “{key_id}” is needed and is not in BERTH_MASTER_KEY."
            )
        return found


def keyring() -> Keyring:
    """The configured master keys; MasterKeyError if the setting is malformed."""
    return parse(settings.BERTH_MASTER_KEY)


@functools.lru_cache(maxsize=8)
@sensitive_variables()
def parse(value: str) -> Keyring:
    """The keys of ``<key id>:<base64 of 32 bytes>[,...]``; MasterKeyError names the bad entry."""
    entries = [entry.strip() for entry in value.split(",")]
    keys = tuple(_parse_entry(number, entry) for number, entry in enumerate(entries, start=1))
    ids = [each.id for each in keys]
    for key_id in ids:
        if ids.count(key_id) > 1:
            raise MasterKeyError(f"BERTH_MASTER_KEY has two keys with the id “{key_id}”.")
    return Keyring(keys)


@sensitive_variables()
def _parse_entry(number: int, entry: str) -> MasterKey:
    """One key. What is wrong is told by its position: the text itself may be the secret."""
    key_id, colon, encoded = entry.partition(":")
    if not colon or not _KEY_ID.fullmatch(key_id):
        raise MasterKeyError(
            f"BERTH_MASTER_KEY: key {number} is not written as <key id>:<base64 of 32 bytes>."
        )
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise MasterKeyError(
            f"BERTH_MASTER_KEY: what follows the id of key {number} is not base64."
        ) from None
    if len(key) != envelope.KEY_BYTES:
        raise MasterKeyError(
            f"BERTH_MASTER_KEY: key {number} has {len(key)} bytes; it must have"
            f" {envelope.KEY_BYTES} (openssl rand -base64 32)."
        )
    return MasterKey(key_id, key)
