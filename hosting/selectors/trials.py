"""Reading restore tests and rehearsals alike."""

from __future__ import annotations

from django.db.models import Prefetch, Q

from hosting.models import Operation, Trial

UNSHOWN = (  # large or secret, and on no page
    *(f"backup__{field}" for field in ("secrets", "manifest", "stored")),
    *(f"backup__instance__{field}" for field in ("definition", "expected", "image_pins")),
    *(f"scratch__{field}" for field in ("definition", "expected", "image_pins")),
)
CALLED_OFF = Q(passed=False, scratch__operations__cancel_requested_at__isnull=False)


def with_operations() -> Prefetch[str]:
    """What brought each about, newest first."""
    return Prefetch("scratch__operations", queryset=Operation.objects.order_by("-requested_at"))


def operation_of(trial: Trial) -> Operation:
    """What brings it about; no query for one that was read ``with_operations``."""
    return trial.scratch.operations.all()[0]
