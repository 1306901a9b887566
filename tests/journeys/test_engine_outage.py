"""An engine that is away for a while, and an image that will never be there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from pytest_django import Settings

from hosting.engines.base import Engine
from hosting.models import Instance, Operation, OperationStep, Server
from hosting.services import instances, servers
from tenants.services.actors import Actor
from tests.conftest import CATALOG, OWNER
from tests.journeys.portal import Worker, wait_until
from tests.journeys.unix_proxy import UnixProxy

pytestmark = [pytest.mark.docker, pytest.mark.django_db(transaction=True)]

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
WAITS = "Server flaky does not answer; trying again."


@pytest.fixture
def way(tmp_path: Path) -> Iterator[UnixProxy]:
    """The way to the engine of the server “flaky”, which the test may cut."""
    proxy = UnixProxy(tmp_path / "docker.sock", Path("/var/run/docker.sock"))
    proxy.on()
    yield proxy
    proxy.off()


@pytest.fixture
def flaky(docker_server: Server, way: UnixProxy) -> Server:
    """A server that is preferred, having more room than the other one."""
    return Server.objects.create(
        name="flaky",
        endpoint=way.endpoint,
        cpus=Decimal(64),
        memory_mb=2 * docker_server.memory_mb,
        disk_gb=1000,
    )


def newest(instance: Instance) -> Operation:
    return instance.operations.order_by("-requested_at")[0]


def has_ended(instance: Instance) -> bool:
    return not newest(instance).is_active


def is_waiting(instance: Instance) -> bool:
    operation = newest(instance)
    return operation.state == Operation.State.QUEUED and operation.reason == WAITS


@pytest.mark.slow
def test_what_waits_for_a_stopped_engine_goes_on_by_itself(
    way: UnixProxy, flaky: Server, order: Order, worker: Worker, actor: Actor
) -> None:
    way.off()
    worker.start()
    waiting = order("waiting")
    assert waiting.server == flaky
    wait_until(lambda: is_waiting(waiting), seconds=60, what="the operation waits")
    flaky.refresh_from_db()
    assert flaky.last_error

    # Meanwhile other servers' instances are not held up.
    servers.cordon(server=flaky, actor=actor)
    other = order("other")
    assert other.server != flaky
    wait_until(lambda: has_ended(other), seconds=60, what="the other one is brought up")
    assert newest(other).state == Operation.State.SUCCEEDED
    assert newest(waiting).is_active

    way.on()
    wait_until(lambda: has_ended(waiting), seconds=60, what="it succeeds by itself")
    assert newest(waiting).state == Operation.State.SUCCEEDED, newest(waiting).reason
    waiting.refresh_from_db()
    flaky.refresh_from_db()
    assert waiting.state == Instance.State.RUNNING
    assert (flaky.last_error, newest(waiting).attempt) == ("", 1)

    # And cut off in the middle of something, it goes on from there.
    instances.restart(instance=waiting, actor=actor)
    started = newest(waiting).steps.filter(name="start", state=OperationStep.State.RUNNING)
    wait_until(started.exists, seconds=60, what="the services are started")
    way.off()
    wait_until(lambda: is_waiting(waiting), seconds=60, what="it waits again")
    way.on()
    wait_until(lambda: has_ended(waiting), seconds=60, what="it succeeds again")
    assert newest(waiting).state == Operation.State.SUCCEEDED, newest(waiting).reason


def test_an_image_that_does_not_exist_fails_at_the_pull_and_leaves_nothing(
    order: Order,
    work_off: WorkOff,
    docker_server: Server,
    docker_engine: Engine,
    settings: Settings,
    tmp_path: Path,
    actor: Actor,
) -> None:
    text = (CATALOG / "guestbook.yaml").read_text()
    (tmp_path / "lost.yaml").write_text(text.replace("image: guestbook:", "image: lost-book:"))
    settings.BERTH_CATALOG_DIRS = [*settings.BERTH_CATALOG_DIRS, tmp_path]

    instance = order("book", app="lost")
    operation = work_off(instance)
    assert operation.state == Operation.State.FAILED
    assert "lost-book:2" in operation.reason
    failed = operation.steps.get(state=OperationStep.State.FAILED)
    assert failed.name == "pull"
    assert "lost-book:2" in failed.output
    assert instance.state == Instance.State.FAILED
    assert not docker_engine.observe_all(OWNER)

    instances.delete(instance=instance, confirmation="book", actor=actor)
    assert work_off(instance).state == Operation.State.SUCCEEDED
    assert instance.state == Instance.State.DELETED
