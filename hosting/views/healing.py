"""What Berth finds and does at an instance by itself, in words for the client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from hosting.models import Drift, Instance
from hosting.selectors import reasons
from hosting.views.states import Status

_Kind = Drift.Kind
NEVER_BY_ITSELF = (_Kind.VOLUME_MISSING,)


@dataclass(frozen=True, slots=True)
class DriftView:
    """Something that was not as it should be, and what Berth did."""

    drift: Drift
    found: str
    done: str
    status: Status


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an instance is degraded, the last lines of its log, and what Berth does about it.

    ``again_at`` is when Berth tries again, where that is known.
    """

    sentence: str
    lines: tuple[str, ...]
    again_at: datetime | None
    doing: str


def show_drift(drift: Drift) -> DriftView:
    """One line of the history."""
    return DriftView(
        drift=drift,
        found=_sentence(drift.found),
        done=_sentence(drift.done) or "Noticed.",
        status=_status(drift),
    )


def trouble(instance: Instance, drifts: Sequence[Drift]) -> Trouble | None:
    """Of an instance that is degraded; ``drifts`` are its newest."""
    if instance.state != Instance.State.DEGRADED:
        return None
    reason = reasons.taken_apart(instance.state_reason)
    again_at = _again_at(instance, drifts)
    return Trouble(
        sentence=reason.sentence or "A part of it does not run as it should.",
        lines=reason.lines,
        again_at=again_at,
        doing="" if again_at else _doing(drifts),
    )


def _again_at(instance: Instance, drifts: Sequence[Drift]) -> datetime | None:
    """When the next attempt may be made, where there will be one and it is not due yet."""
    if _open_kinds(drifts) & set(NEVER_BY_ITSELF):
        return None
    after = instance.repair_after
    return after if after and after > timezone.now() else None


def _doing(drifts: Sequence[Drift]) -> str:
    kinds = _open_kinds(drifts)
    if kinds & set(NEVER_BY_ITSELF):
        return "Berth changes nothing here, so that no data is lost. Please contact support."
    if _Kind.LOOPING in kinds:
        return "It is started again and again by itself, with longer and longer pauses."
    if kinds:
        return "Berth tries again by itself in a moment."
    return "It looks well at the moment. Berth watches it for a while before it says so."


def _open_kinds(drifts: Sequence[Drift]) -> set[str]:
    return {each.kind for each in drifts if each.settled_at is None}


def _status(drift: Drift) -> Status:
    if drift.settled_at:
        return Status("Well again", "running", "done")
    if drift.operation is not None and drift.operation.is_active:
        return Status("Being put right", "progress", "progress", spins=True)
    return Status("Still so", "attention", "attention")


def _sentence(text: str) -> str:
    """With a capital and a full stop."""
    text = text.strip()
    if not text:
        return ""
    end = "" if text[-1] in ".!?" else "."
    return f"{text[0].upper()}{text[1:]}{end}"
