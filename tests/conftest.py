"""What every test may use; only the memory engine ever stands in for a real part."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.test import TransactionTestCase
from pytest_django import Settings

from hosting.engines.base import Engine
from hosting.engines.memory import MemoryEngine
from hosting.flows.engines import engine_for
from hosting.flows.working import runner
from hosting.models import Instance, Operation, Plan, Server
from hosting.services import instances
from tenants.models import Client, Role, User
from tenants.services import clients, members
from tenants.services.actors import Actor
from tests.emptying import Emptying

OWNER = f"test-{uuid.uuid4().hex[:8]}"
IMAGES = os.environ.setdefault("BERTH_IMAGE_PREFIX", "berth.local")  # those that are built here
CATALOG = Path(__file__).parent / "catalog"


@pytest.fixture(scope="session", autouse=True)
def _emptying() -> Iterator[None]:
    """How the tables are emptied between tests that commit."""
    case_class: Any = TransactionTestCase  # the hook is Django's own, and private
    flush = case_class._fixture_teardown
    emptying = Emptying(flush)

    def teardown(case: TransactionTestCase) -> None:
        emptying.after(case)

    case_class._fixture_teardown = teardown
    yield
    case_class._fixture_teardown = flush


@pytest.fixture(autouse=True)
def _installation(settings: Settings) -> None:
    """An installation of the tests' own: its label, the test catalog, and no edge unless asked."""
    settings.BERTH_OWNER = OWNER
    settings.BERTH_IMAGE_PREFIX = IMAGES
    settings.BERTH_CATALOG_DIRS = [*settings.BERTH_CATALOG_DIRS, CATALOG]
    settings.BERTH_EDGE = False
    settings.BERTH_BACKUP_TARGET = "/nonexistent"  # unless a test has a place for backups
    # As Django's documentation advises: the real one is slow on purpose.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.WHITENOISE_AUTOREFRESH = True  # serves from static/ itself, with nothing collected
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture
def backup_target(settings: Settings, tmp_path: Path) -> Path:
    """An empty directory where backups go."""
    target = tmp_path / "backups"
    target.mkdir()
    settings.BERTH_BACKUP_TARGET = str(target)
    return target


@pytest.fixture
def actor() -> Actor:
    return Actor.system("test")


@pytest.fixture
def acme(db: None, actor: Actor) -> Client:
    return clients.create(name="Acme", slug="acme", timezone="Europe/Berlin", actor=actor)


@pytest.fixture
def alice(acme: Client, actor: Actor) -> User:
    """Acme's owner."""
    user = User.objects.create_user("alice@acme.example", "correct horse battery", name="Alice")
    members.add(client=acme, user=user, role=Role.OWNER, actor=actor)
    return user


@pytest.fixture
def small(db: None) -> Plan:
    return Plan.objects.create(
        slug="small", name="Small", cpus=Decimal(1), memory_mb=512, disk_gb=5, processes=256
    )


@pytest.fixture
def memory_server(db: None) -> Server:
    """A server whose engine runs nothing, and is this test's alone."""
    return Server.objects.create(
        name="memory",
        engine=Server.EngineKind.MEMORY,
        endpoint=f"memory:{uuid.uuid4()}",
        cpus=Decimal(16),
        memory_mb=16 * 1024,
        disk_gb=500,
    )


@pytest.fixture
def memory_engine(memory_server: Server) -> MemoryEngine:
    engine = engine_for(memory_server)
    assert isinstance(engine, MemoryEngine)
    return engine


@pytest.fixture
def docker_server(db: None) -> Iterator[Server]:
    """This machine's own engine; afterwards nothing of the tests is left on it."""
    server = Server.objects.create(
        name="local", cpus=Decimal(64), memory_mb=256 * 1024, disk_gb=1000
    )
    engine = engine_for(server)
    yield server
    for instance in engine.observe_all(OWNER):
        engine.remove(instance, with_volumes=True)


@pytest.fixture
def docker_engine(docker_server: Server) -> Engine:
    return engine_for(docker_server)


@pytest.fixture
def order(acme: Client, small: Plan, actor: Actor) -> Callable[..., Instance]:
    """Order an instance at Acme: the guestbook on the small plan, unless told otherwise."""

    def place(name: str = "book", **overrides: Any) -> Instance:
        wanted = {
            "client": acme,
            "app": "guestbook",
            "plan": small.slug,
            "name": name,
            "actor": actor,
        }
        return instances.order(**{**wanted, **overrides})

    return place


@pytest.fixture
def work_off() -> Callable[[Instance], Operation]:
    """Work on the instance's newest operation, here and now, and return it as it is then."""

    def work(instance: Instance) -> Operation:
        operation = instance.operations.order_by("-requested_at")[0]
        runner.run(operation.pk)
        operation.refresh_from_db()
        instance.refresh_from_db()
        return operation

    return work
