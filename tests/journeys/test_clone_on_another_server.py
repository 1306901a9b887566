"""New instances on another server than that of the backup: on two engines, each with its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from hosting.flows.engines import engine_for
from hosting.models import Instance, Operation, Server
from hosting.services import instances
from hosting.services.saving import clones
from tenants.services.actors import Actor
from tests.chaos.conftest import BASE
from tests.conftest import OWNER
from tests.journeys.guestbook import back_up, done, read, write

sys.path.insert(0, str(BASE / "deploy" / "local"))  # as the programs of chaos do
from tests.chaos.private_engine import PrivateEngine

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]


@pytest.fixture
def private_engine() -> Iterator[PrivateEngine]:
    """Docker in namespaces of its own, which knows nothing of this machine's."""
    # Not tmp_path: that is too long for a socket's path.
    private = PrivateEngine(Path(tempfile.mkdtemp(prefix="berth-engine-")), OWNER)
    try:
        private.start()
        yield private
    finally:
        private.stop()


@pytest.fixture
def other_server(transactional_db: None, private_engine: PrivateEngine) -> Server:
    return Server.objects.create(
        name="other",
        endpoint=private_engine.endpoint,
        supernet="10.212.0.0/16",
        cpus=Decimal(16),
        memory_mb=16 * 1024,
        disk_gb=500,
    )


def test_a_clone_on_another_server_has_the_data_and_nothing_of_it_is_on_the_first(
    running: Order,
    work_off: WorkOff,
    backup_target: Path,
    actor: Actor,
    private_engine: PrivateEngine,
    other_server: Server,
) -> None:
    Server.objects.filter(pk=other_server.pk).update(availability=Server.Availability.CORDONED)
    book = running("book")
    write(book, "ada")
    backup = back_up(book, work_off, actor)
    write(book, "bob")
    for image in sorted(set(_images(book))):
        private_engine.load(image)
    Server.objects.filter(pk=other_server.pk).update(availability=Server.Availability.OPEN)
    clone = clones.request(
        backup=backup, name="copy", plan=book.plan.slug, actor=actor, server=other_server
    )
    assert done(work_off(clone)) == Operation.State.SUCCEEDED
    assert (clone.server, clone.state, read(clone)) == (other_server, "running", ["ada"])
    assert read(book) == ["ada", "bob"]
    here, there = engine_for(book.server), engine_for(other_server)
    assert set(here.observe_all(OWNER)) == {str(book.pk)}
    assert set(there.observe_all(OWNER)) == {str(clone.pk)}
    # And it stands on its own there: what is saved of it comes back there, and it can be deleted.
    write(clone, "eve")
    again = clones.request(
        backup=back_up(clone, work_off, actor),
        name="back",
        plan=book.plan.slug,
        actor=actor,
        server=book.server,
    )
    assert done(work_off(again)) == Operation.State.SUCCEEDED
    assert (again.server, read(again)) == (book.server, ["ada", "eve"])
    instances.delete(instance=clone, confirmation="copy", actor=actor)
    assert done(work_off(clone)) == Operation.State.SUCCEEDED
    assert not there.observe_all(OWNER)


def _images(instance: Instance) -> list[str]:
    """Those that its containers are of, as this machine's engine names them."""
    containers = subprocess.run(
        ["docker", "ps", "-q", "--filter", f"label=berth.instance={instance.pk}"],
        check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    said = subprocess.run(
        ["docker", "inspect", "--format", "{{.Config.Image}}", *containers],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return said.stdout.split()
