"""What whole stories are told with: the edge, workers, and instances that really run."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.test import Client as Browser
from pytest_django import Settings

from hosting import tasks
from hosting.config.celery import app
from hosting.flows.working import runner
from hosting.models import Instance, Operation, Server
from tenants.models import User
from tests.journeys import secret_search
from tests.journeys.portal import Edge, Worker, free_port
from tests.journeys.posting import Hold

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]


@pytest.fixture
def edge(transactional_db: None, settings: Settings, docker_server: Server) -> Iterator[Edge]:
    """A real edge of this test's own, in front of this machine's engine."""
    # Not tmp_path: that is closed to nginx's own user, and too long for a socket's path.
    directory = Path(tempfile.mkdtemp(prefix="berth-edge-"))
    directory.chmod(0o755)
    port = free_port()
    settings.BERTH_EDGE = True
    settings.BERTH_EDGE_DIR = directory
    settings.BERTH_EDGE_PORT = port
    settings.BERTH_EDGE_URL = f"http://{settings.BERTH_DOMAIN}:{port}"
    edge = Edge(port)
    with ExitStack() as cleaning:
        cleaning.callback(shutil.rmtree, directory)
        cleaning.callback(edge.stop)
        edge.start()
        yield edge


@pytest.fixture
def hold(edge: Edge, settings: Settings, tmp_path: Path) -> Iterator[Hold]:
    hold = Hold(tmp_path / "hold.log", settings.BERTH_EDGE_DIR / "hold.sock")
    hold.start()
    yield hold
    hold.end(signal.SIGKILL)


@pytest.fixture
def worker(transactional_db: None, docker_server: Server, tmp_path: Path) -> Iterator[Worker]:
    """A worker on the test's database, to be started; it hears none of the bells of the past."""
    app.control.purge()
    worker = Worker(tmp_path)
    yield worker
    worker.kill()


@pytest.fixture
def work_off() -> WorkOff:
    """Work on the instance's newest operation here and now, as a worker does that heard the bells:
    the operation's, and then the edge's."""

    def work(instance: Instance) -> Operation:
        operation = instance.operations.order_by("-requested_at")[0]
        runner.run(operation.pk)
        tasks.publish_edge()
        operation.refresh_from_db()
        instance.refresh_from_db()
        return operation

    return work


@pytest.fixture
def running(order: Order, work_off: WorkOff, docker_server: Server) -> Order:
    """Order an instance like ``order`` does, and work it off: it runs."""

    def bring_up(name: str = "book", **overrides: object) -> Instance:
        instance = order(name, **overrides)
        operation = work_off(instance)
        assert operation.state == Operation.State.SUCCEEDED, operation.reason
        assert instance.state == Instance.State.RUNNING
        return instance

    return bring_up


@pytest.fixture
def staff(db: None) -> Browser:
    """Someone who may see everything in the admin."""
    browser = Browser()
    browser.force_login(User.objects.create_superuser("bob@berth.example", "a long pass phrase"))
    return browser


@pytest.fixture
def member(alice: User) -> Browser:
    """Acme's owner at the dashboard."""
    browser = Browser()
    browser.force_login(alice)
    return browser


@pytest.fixture
def uprooted() -> Iterator[None]:
    """Nothing planted in the database is left, whatever happened."""
    yield
    secret_search.uproot()
