import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hosting.catalog.credentials import generate, generated_secrets, render_secrets
from hosting.catalog.errors import BuildError
from hosting.catalog.schema import App, SecretSpec


@pytest.mark.parametrize(
    ("kind", "length", "pattern"),
    [
        ("alphanumeric", 32, r"[A-Za-z0-9]{32}"),
        ("hex", 64, r"[0-9a-f]{64}"),
        ("base64", 32, r"[A-Za-z0-9+/]{43}="),
        ("password", 16, r"[A-Za-z0-9_.~-]{16}"),
    ],
)
def test_it_generates_what_the_file_asks_for(kind: str, length: int, pattern: str) -> None:
    spec = SecretSpec.model_validate({"generate": kind, "length": length})

    assert re.fullmatch(pattern, generate(spec))
    assert generate(spec) != generate(spec)


def test_a_base64_secret_holds_as_many_bytes_as_its_length() -> None:
    value = generate(SecretSpec(generate="base64", length=24))

    assert len(base64.b64decode(value, validate=True)) == 24


@given(st.integers(min_value=16, max_value=256))
def test_a_password_has_every_kind_of_character(length: int) -> None:
    value = generate(SecretSpec(generate="password", length=length))

    assert len(value) == length
    for kind in ("[a-z]", "[A-Z]", "[0-9]", "[-_.~]"):
        assert re.search(kind, value)


def test_only_generated_secrets_are_kept(guestbook: App) -> None:
    assert set(generated_secrets(guestbook)) == {
        "postgres_password",
        "redis_password",
        "secret_key",
    }


def test_it_renders_templates_from_the_generated_ones(guestbook: App) -> None:
    values = {"postgres_password": "p", "redis_password": "r{}", "secret_key": "k"}

    assert render_secrets(guestbook, values) == {
        "postgres_password": "p",
        "redis_password": "r{}",
        "secret_key": "k",
        "redis_conf": 'requirepass r{}\ndir /data\nappendonly yes\nsave ""\n',
    }


def test_it_names_the_secrets_that_have_no_value(guestbook: App) -> None:
    with pytest.raises(BuildError) as refusal:
        render_secrets(guestbook, {"redis_password": "r"})

    assert str(refusal.value) == (
        "guestbook needs a value for the secret postgres_password, secret_key"
    )
