"""A state's reason taken apart: the sentence, and the last lines of the log in it."""

from __future__ import annotations

from dataclasses import dataclass

_LAST_WORDS = " Its last words: "  # as hosting/flows/diagnosis.py writes it
_BETWEEN_LINES = " / "


@dataclass(frozen=True, slots=True)
class Reason:
    """What is wrong in a sentence, and what the service said last, line by line."""

    sentence: str
    lines: tuple[str, ...] = ()


def taken_apart(reason: str) -> Reason:
    """From an instance's ``state_reason``."""
    sentence, _, said = reason.partition(_LAST_WORDS)
    lines = said.splitlines() if "\n" in said else said.split(_BETWEEN_LINES)
    return Reason(sentence.strip(), tuple(line.strip() for line in lines if line.strip()))
