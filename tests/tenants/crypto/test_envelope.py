from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.crypto import envelope
from tenants.crypto.envelope import DecryptionError

KEY = b"k" * 32


@given(plaintext=st.binary(max_size=4096), associated=st.binary(max_size=200))
def test_it_gives_back_what_was_sealed(plaintext: bytes, associated: bytes) -> None:
    sealed = envelope.seal(KEY, plaintext, associated)
    assert envelope.unseal(KEY, sealed, associated) == plaintext


@given(
    plaintext=st.binary(max_size=64),
    position=st.integers(min_value=0),
    change=st.integers(min_value=1, max_value=255),
)
def test_it_refuses_any_changed_byte(plaintext: bytes, position: int, change: int) -> None:
    sealed = bytearray(envelope.seal(KEY, plaintext, b"here"))
    sealed[position % len(sealed)] ^= change
    with pytest.raises(DecryptionError):
        envelope.unseal(KEY, bytes(sealed), b"here")


@given(plaintext=st.binary(max_size=64), length=st.integers(min_value=0))
def test_it_refuses_a_shortened_value(plaintext: bytes, length: int) -> None:
    sealed = envelope.seal(KEY, plaintext, b"here")
    with pytest.raises(DecryptionError):
        envelope.unseal(KEY, sealed[: length % len(sealed)], b"here")


def test_it_refuses_another_place_and_another_key() -> None:
    sealed = envelope.seal(KEY, b"text", b"here")
    assert not envelope.fits(KEY, sealed, b"there")
    assert not envelope.fits(b"x" * 32, sealed, b"here")
    assert envelope.fits(KEY, sealed, b"here")


def test_it_never_seals_twice_the_same() -> None:
    assert len({envelope.seal(KEY, b"text", b"here") for _ in range(100)}) == 100
