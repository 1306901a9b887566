"""An instance's secrets: what to generate, and the files that services read."""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Mapping

from hosting.catalog.berth_schema import SecretSpec
from hosting.catalog.errors import BuildError
from hosting.catalog.schema import App

USAGE_TOKEN_PREFIX = "berth_usage_"  # noqa: S105  (so that a leaked one is known for what it is)
_ALPHANUMERIC = string.ascii_letters + string.digits
_MARKS = "-_.~"  # what a URL, a shell word and a configuration file carry unquoted


def generated_secrets(app: App) -> Mapping[str, SecretSpec]:
    """The secrets to generate and keep for an instance; templates are made from them each time."""
    return {name: spec for name, spec in app.berth.secrets.items() if spec.generate}


def generate(spec: SecretSpec) -> str:
    """A new value; ``length`` counts characters, for base64 the random bytes."""
    match spec.generate:
        case "alphanumeric":
            return _characters(_ALPHANUMERIC, spec.length)
        case "hex":
            return _characters("0123456789abcdef", spec.length)
        case "base64":
            return base64.b64encode(secrets.token_bytes(spec.length)).decode()
        case "password":
            return _password(spec.length)
        case "usage_token":
            return usage_token()
        case None:
            raise ValueError("a template is rendered, not generated")


def usage_token() -> str:
    """What an app proves itself with to the usage API: 256 random bits, and what they are."""
    return USAGE_TOKEN_PREFIX + secrets.token_urlsafe(32)


def render_secrets(app: App, values: Mapping[str, str]) -> Mapping[str, str]:
    """The content of every secret's file by name. Raises ``BuildError`` for a missing value."""
    missing = [name for name in generated_secrets(app) if name not in values]
    if missing:
        raise BuildError(f"{app.slug} needs a value for the secret {', '.join(missing)}")
    return {
        name: values[name] if spec.template is None else spec.template.format_map(values)
        for name, spec in app.berth.secrets.items()
    }


def _characters(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def _password(length: int) -> str:
    """Holds each kind of character, as rules for passwords want; drawn again until it does."""
    kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits, _MARKS)
    while True:
        password = _characters(_ALPHANUMERIC + _MARKS, length)
        if all(set(password) & set(kind) for kind in kinds):
            return password
