"""A key that opens a repository at once.

restic stretches every password by half a second of scrypt, on every call, for people choose poor
ones. Ours are 256 random bits, which no stretching makes harder to guess. restic has no option for
it, so its key is written anew here, in the format that it documents:
https://restic.readthedocs.io/en/stable/100_references.html#keys-encryption-and-mac
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR, ECB
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.poly1305 import Poly1305

from hosting.engines.restic import storage
from hosting.engines.restic.errors import Damaged

if TYPE_CHECKING:
    from hosting.engines.restic.target import Target

_N, _R, _P = 2**10, 8, 1  # a megabyte and some milliseconds
_SALT_BYTES = 64
_NONCE_BYTES = 16


def quicken(target: Target, name: str, password: str, run: Callable[..., str]) -> None:
    """Put a key that opens at once in the place of restic's own, which goes once ours opens.

    ``run`` runs restic on that repository. A creation that breaks off here leaves one that opens
    as slowly as any other.
    """
    content = key_file(password, json.loads(run("cat", "masterkey")))
    mine = sha256(content).hexdigest()
    storage.put(target, name, f"keys/{mine}", content)
    listed = json.loads(run("key", "list", "--json", f"--key-hint={mine}"))
    if not any(each["current"] and mine.startswith(each["id"]) for each in listed):
        raise Damaged(f"the backup repository {name} does not take its key")
    for each in storage.listing(target, name):
        if each.startswith("keys/") and each != f"keys/{mine}":
            storage.drop(target, name, each)


def key_file(password: str, master: Mapping[str, Any]) -> bytes:
    """The content of a key file that opens the repository with that master key.

    ``master`` is what ``restic cat masterkey`` says, ``password`` as random as a key.
    """
    salt = secrets.token_bytes(_SALT_BYTES)
    derived = Scrypt(salt=salt, length=64, n=_N, r=_R, p=_P).derive(password.encode())
    sealed = _seal(json.dumps(master).encode(), cipher_key=derived[:32], mac_key=derived[32:])
    return json.dumps(
        {
            "created": datetime.now(UTC).isoformat(),
            "username": "berth",
            "hostname": "berth",
            "kdf": "scrypt",
            "N": _N,
            "r": _R,
            "p": _P,
            "salt": base64.b64encode(salt).decode(),
            "data": base64.b64encode(sealed).decode(),
        }
    ).encode()


def _seal(plain: bytes, *, cipher_key: bytes, mac_key: bytes) -> bytes:
    """AES-256-CTR, then Poly1305-AES over it: nonce, ciphertext, tag."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    encryptor = Cipher(AES(cipher_key), CTR(nonce)).encryptor()
    sealed = encryptor.update(plain) + encryptor.finalize()
    # Poly1305-AES as Bernstein has it: one block, the nonce, under AES; no mode is meant by ECB.
    block = Cipher(AES(mac_key[:16]), ECB()).encryptor()  # noqa: S305
    once = mac_key[16:] + block.update(nonce) + block.finalize()
    return nonce + sealed + Poly1305.generate_tag(once, sealed)
