from __future__ import annotations

import base64

import pytest

from tenants.crypto import DecryptionError, MasterKeyError
from tenants.crypto.master import parse
from tests.tenants.master_keys import Keys

GOOD = base64.b64encode(b"x" * 32).decode()


def test_it_wraps_with_the_first_and_reads_with_all(keys: Keys) -> None:
    ring = parse(f"{keys.k2}, {keys.k1}")
    assert ring.ids == ("k2", "k1")
    assert ring.newest.id == "k2"
    wrapped = ring.get("k1").wrap(b"text", b"here")
    assert ring.get("k1").unwrap(wrapped, b"here") == b"text"
    with pytest.raises(DecryptionError):
        ring.get("k2").unwrap(wrapped, b"here")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("", "key 1 is not written as <key id>:<base64 of 32 bytes>"),
        (GOOD, "key 1 is not written as"),
        (f"a:{GOOD},{GOOD}", "key 2 is not written as"),
        (f"a:{GOOD},", "key 2 is not written as"),
        (f"a b:{GOOD}", "key 1 is not written as"),
        ("a:not base64!", "what follows the id of key 1 is not base64"),
        ("a:c2hvcnQ=", "key 1 has 5 bytes; it must have 32"),
        (f"a:{GOOD},a:{GOOD}", "has two keys with the id “a”"),
    ],
)
def test_it_says_what_is_wrong_with_a_malformed_key(value: str, sentence: str) -> None:
    with pytest.raises(MasterKeyError) as caught:
        parse(value)
    assert sentence in str(caught.value)
    assert GOOD not in str(caught.value)


def test_it_shows_no_key(keys: Keys) -> None:
    ring = parse(keys.k1)
    assert repr(bytes([1]) * 32)[2:-1] not in repr(ring)


def test_signatures_differ_by_purpose_key_and_message(keys: Keys) -> None:
    first, second = parse(f"{keys.k1},{keys.k2}").keys
    signatures = {
        first.sign("a", b"text"),
        first.sign("b", b"text"),
        first.sign("a", b"other"),
        second.sign("a", b"text"),
    }
    assert len(signatures) == 4
