"""What becomes of restore tests and rehearsals alike. The caller holds the operation's lease."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from hosting.models import Trial


def record_checks(*, trial: Trial, checks: Mapping[str, Any]) -> None:
    """What the restored data said."""
    trial.checks = dict(checks)
    trial.save(update_fields=["checks"])


def record_passed(*, trial: Trial) -> float:
    """The app answered; the seconds that it took from the first step on."""
    if trial.passed is None:
        now = timezone.now()
        operation = trial.scratch.operations.latest("requested_at")
        began: datetime = operation.started_at or operation.requested_at
        trial.passed, trial.ended_at = True, now
        trial.seconds = (now - began).total_seconds()
        trial.save(update_fields=["passed", "ended_at", "seconds"])
    return trial.seconds or 0.0


def record_failed(*, trial: Trial, reason: str) -> None:
    """Why it came to nothing; one that has passed stays so."""
    if trial.passed is None:
        trial.passed, trial.ended_at, trial.reason = False, timezone.now(), reason
        trial.save(update_fields=["passed", "ended_at", "reason"])
