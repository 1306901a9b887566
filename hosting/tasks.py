"""What Celery is told. Every task may be run twice, late, or not at all: the sweeper makes good."""

from __future__ import annotations

import uuid

from celery import shared_task
from django.conf import settings
from django.db.models import F

from hosting.flows import edge, runner
from hosting.models import EdgeState
from hosting.services import doorbell, leases

SWEEP_AT_MOST = 200


@shared_task(name="hosting.tasks.run_operation")
def run_operation(operation_id: str) -> None:
    """Work on one operation."""
    runner.run(uuid.UUID(operation_id))


@shared_task(name="hosting.tasks.sweep")
def sweep() -> None:
    """Ring for whatever should be worked on and is not."""
    due = leases.due().order_by("run_after").values_list("pk", flat=True)
    for operation_id in due[:SWEEP_AT_MOST]:
        doorbell.ring(operation_id=operation_id)


@shared_task(name="hosting.tasks.publish_edge")
def publish_edge() -> None:
    """Bring the edge up to date where it is behind."""
    behind = EdgeState.objects.filter(wanted__gt=F("live"))
    if settings.BERTH_EDGE and behind.exists():
        edge.publish()
