"""What Celery is told. Every task may be run twice, late, or not at all: see ``flows.periodic``."""

from __future__ import annotations

import uuid

from celery import shared_task

from hosting.flows.working import periodic, runner

# The broker hands a message out again after an hour. Whoever takes it finds the lease held, so that
# a backup of a large instance may take longer; its steps have deadlines of their own.
LONGEST_OPERATION_SECONDS = 12 * 60 * 60


@shared_task(name="hosting.tasks.run_operation", time_limit=LONGEST_OPERATION_SECONDS)
def run_operation(operation_id: str) -> None:
    """Work on one operation."""
    runner.run(uuid.UUID(operation_id))


@shared_task(name="hosting.tasks.sweep")
def sweep() -> None:
    """Ring for whatever should be worked on and is not."""
    periodic.sweep()


@shared_task(name="hosting.tasks.publish_edge")
def publish_edge() -> None:
    """Bring the edge up to date where it is behind."""
    periodic.publish_edge()


@shared_task(name="hosting.tasks.reconcile_overdue")
def reconcile_overdue() -> None:
    """Compare the servers that nobody watches at the moment."""
    periodic.reconcile_overdue()


@shared_task(name="hosting.tasks.do_chores")
def do_chores() -> None:
    """Whatever is done every night, if it is due."""
    periodic.do_chores()


@shared_task(name="hosting.tasks.count_usage")
def count_usage() -> None:
    """Sum up what apps used."""
    periodic.count_usage()


@shared_task(name="hosting.tasks.write_metrics")
def write_metrics() -> None:
    """Write what Prometheus is told of the instances."""
    periodic.write_metrics()


@shared_task(name="hosting.tasks.read_counters")
def read_counters() -> None:
    """Read what apps count for Prometheus."""
    periodic.read_counters()


@shared_task(name="hosting.tasks.deliver")
def deliver() -> None:
    """Send the notifications that are due."""
    periodic.deliver()


@shared_task(name="hosting.tasks.ship_journals")
def ship_journals() -> None:
    """Fetch the journals of databases that are due."""
    periodic.ship_journals()
