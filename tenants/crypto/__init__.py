"""Envelope encryption: values under a client's data key, data keys under the master key.

- The master key is ``BERTH_MASTER_KEY``: ``<key id>:<base64 of 32 bytes>``, several separated by
  commas. The first wraps; the others still unwrap. It is never in the database.
- A client's data key is a row of ``DataKey``, wrapped with ``client|datakey|version`` as
  associated data. The one without a client is Berth's own, for what is the staff's: it gets a new
  wrapping with the master key as the others do, and no successor.
- A value is stored as format byte, data-key version, nonce and AES-256-GCM ciphertext, with
  ``client|object|field|version`` as associated data: moved to another row, field or client it
  can't be decrypted.

Who can write to the database can put back an older value of the same field, or delete one; he
can't read or make one, unless he knows a master key that is still configured: remove an old one
as soon as ``rotate_keys`` says so. What else is in a value's row is not bound to it. Lengths are
visible.
"""

from tenants.crypto.canary import examine_master_key, verify_master_key
from tenants.crypto.datakeys import create_data_key, derive, forget_cached_keys
from tenants.crypto.envelope import DecryptionError
from tenants.crypto.fields import EncryptedTextField, encrypted_fields
from tenants.crypto.master import MasterKeyError
from tenants.crypto.tables import HOUSE

__all__ = [
    "HOUSE",
    "DecryptionError",
    "EncryptedTextField",
    "MasterKeyError",
    "create_data_key",
    "derive",
    "encrypted_fields",
    "examine_master_key",
    "forget_cached_keys",
    "verify_master_key",
]
