"""AES-256-GCM with associated data: the one place that encrypts."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.views.decorators.debug import sensitive_variables

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16


class DecryptionError(Exception):
    """A value can't be decrypted: altered, moved from elsewhere, or under another key."""


def new_key() -> bytes:
    """A random 256-bit key."""
    return os.urandom(KEY_BYTES)


@sensitive_variables()
def seal(key: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """The nonce and the ciphertext of ``plaintext``, bound to ``associated``."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, associated)


@sensitive_variables()
def unseal(key: bytes, sealed: bytes, associated: bytes) -> bytes:
    """The plaintext of what :func:`seal` made; DecryptionError if anything about it differs."""
    if len(sealed) < NONCE_BYTES + TAG_BYTES:
        raise DecryptionError("An encrypted value is too short to be one.")
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], associated)
    except InvalidTag:
        # Without "from": the frames of the library would go to error reports with the arguments.
        raise DecryptionError(
            "An encrypted value can't be decrypted: it was altered, moved, or is under another key."
        ) from None


@sensitive_variables()
def fits(key: bytes, sealed: bytes, associated: bytes) -> bool:
    """Whether :func:`unseal` would succeed."""
    try:
        unseal(key, sealed, associated)
    except DecryptionError:
        return False
    return True
