"""A worker that is killed in the middle: time is lost, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from pytest_django import Settings

from hosting.engines.labels import LABEL_INSTANCE
from hosting.models import Instance, Operation, OperationStep, Server
from tenants.models import AuditEvent
from tests.journeys.inside import docker
from tests.journeys.portal import Worker, wait_until

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

Order = Callable[..., Instance]
LEASE = timedelta(seconds=4)


@pytest.fixture(autouse=True)
def _short_lease(settings: Settings) -> None:
    """So that the test need not wait half a minute for a lease to run out."""
    settings.BERTH_LEASE = LEASE


@pytest.mark.parametrize("step", ["prepare", "start"])
def test_another_worker_ends_what_a_killed_one_began(
    step: str, order: Order, docker_server: Server, worker: Worker
) -> None:
    instance = order("book")
    operation = instance.operations.get()
    worker.start()
    wait_until(lambda: _began(operation, step), seconds=60, what=f"the operation is at {step}")
    worker.kill()
    operation.refresh_from_db()
    assert operation.state == Operation.State.RUNNING  # it could tell nobody
    assert (operation.attempt, operation.fence) == (1, 1)
    assert not operation.steps.filter(name="ready", state=OperationStep.State.DONE).exists()

    worker.start()
    wait_until(lambda: not _reread(operation).is_active, seconds=90, what="the operation ends")

    assert operation.state == Operation.State.SUCCEEDED, operation.reason
    assert (operation.attempt, operation.fence) == (2, 2)
    assert AuditEvent.objects.filter(action="operation.succeeded").count() == 1
    instance.refresh_from_db()
    assert instance.state == Instance.State.RUNNING
    ours = ("--filter", f"label={LABEL_INSTANCE}={instance.pk}")
    names = Counter(docker("ps", "-a", *ours, "--format", "{{.Names}}").split())
    assert names == Counter(f"{instance.project}-{each}" for each in ("web", "db", "redis"))
    networks = docker("network", "ls", *ours, "--format", "{{.Name}}").split()
    assert sorted(networks) == [f"{instance.project}-{each}" for each in ("backend", "front")]
    volumes = docker("volume", "ls", *ours, "--format", "{{.Name}}").split()
    assert len(volumes) == len(set(volumes))
    assert {f"{instance.project}-{each}" for each in ("data", "postgres", "redis")} <= set(volumes)


def _began(operation: Operation, step: str) -> bool:
    return operation.steps.filter(name=step, started_at__isnull=False).exists()


def _reread(operation: Operation) -> Operation:
    operation.refresh_from_db()
    return operation
