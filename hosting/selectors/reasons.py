"""A state's reason taken apart: the sentence, and the last lines of the log in it."""

from __future__ import annotations

from dataclasses import dataclass

from hosting.models import Operation

_LAST_WORDS = " Its last words: "  # as hosting/flows/watching/diagnosis.py writes it
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


def why_ended(operation: Operation) -> str:
    """Why it came to nothing, and what its instance is now, without the lines of any log."""
    if not operation.undoing:
        return taken_apart(operation.reason).sentence
    why = operation.undoing.rstrip(".")
    now = operation.reason.removeprefix(f"{why}. ")
    return f"{taken_apart(why).sentence.rstrip('.')}. {taken_apart(now).sentence}"
