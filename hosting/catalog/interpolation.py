"""Variables in catalog files, with the Compose specification's meaning.

``$X`` and ``${X}`` are the value (empty when unset); ``${X:-text}`` and ``${X-text}`` fall back to
a text, ``${X:?message}`` and ``${X?message}`` refuse to go on; with the colon, an empty value
counts as unset. ``$$`` is a dollar sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hosting.catalog.errors import BuildError

_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)"
    r"|\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<operator>:?[-?])(?P<operand>[^{}]*))?\}"
    r"|(?P<plain>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<invalid>))"
)

BERTH_VARIABLES = (
    "BERTH_PUBLIC_URL",
    "BERTH_PUBLIC_SCHEME",
    "BERTH_SECURE_COOKIE",
    "BERTH_HOSTNAME",
    "BERTH_TIMEZONE",
    "BERTH_VERSION",
    "BERTH_INSTANCE",
)
"""What Berth sets for every instance; docs/catalog.md says what each holds."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One use of a variable in a text."""

    name: str
    operator: str  # "", "-", ":-", "?" or ":?"
    operand: str

    @property
    def has_default(self) -> bool:
        return self.operator.endswith("-")


def variables(text: str) -> Iterator[Variable]:
    """Every use of a variable in that text. Raises ``ValueError`` where a ``$`` starts none."""
    for match in _VARIABLE.finditer(text):
        if match["escaped"]:
            continue
        if match["invalid"] is not None:
            raise ValueError(
                "a $ must start ${NAME}, ${NAME:-default} or ${NAME:?message}; write $$ for a"
                " dollar sign"
            )
        yield _variable(match)


def interpolate(text: str, values: Mapping[str, str]) -> str:
    """The text with its variables replaced. Raises ``BuildError`` for a missing ``${X:?...}``."""

    def replace(match: re.Match[str]) -> str:
        return "$" if match["escaped"] else _resolve(_variable(match), values)

    return _VARIABLE.sub(replace, text)


def _variable(match: re.Match[str]) -> Variable:
    return Variable(
        name=match["braced"] or match["plain"] or "",
        operator=match["operator"] or "",
        operand=match["operand"] or "",
    )


def _resolve(variable: Variable, values: Mapping[str, str]) -> str:
    value = values.get(variable.name)
    if value or (value is not None and not variable.operator.startswith(":")):
        return value
    if variable.has_default:
        return variable.operand
    if variable.operator.endswith("?"):
        raise BuildError(variable.operand or f"set {variable.name}")
    return ""
