"""Backups of instances that really run."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hosting.flows.saving import repositories
from hosting.flows.saving.snapshots import tag, written_of
from hosting.models import Backup, Instance, Operation
from hosting.services import instances
from hosting.services.saving import backups
from tenants.services.actors import Actor
from tests.journeys.portal import Edge, web

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]


@pytest.fixture
def back_up(backup_target: Path, work_off: WorkOff, actor: Actor) -> Callable[[Instance], Backup]:
    """Make a backup; it is proven."""

    def make(instance: Instance) -> Backup:
        backup = backups.request(instance=instance, actor=actor)
        operation = work_off(instance)
        assert operation.state == Operation.State.SUCCEEDED, operation.reason
        backup.refresh_from_db()
        assert backup.is_good
        return backup

    return make


BackUp = Callable[[Instance], Backup]


def contents(backup: Backup) -> dict[str, bytes]:
    """What the repository holds of it, by path."""
    store = repositories.primary(backup.instance)
    return {
        each.path: b"".join(store.read(each.snapshot, each.path)) for each in written_of(backup)
    }


def test_a_backup_of_what_runs_holds_database_files_and_keys(
    edge: Edge, running: Order, back_up: BackUp
) -> None:
    instance = running("book")
    with web(edge.port, instance) as browser:
        for number in range(3):
            said = browser.post("/entries", json={"text": f"entry {number}"})
            assert said.status_code == 201
    backup = back_up(instance)
    held = contents(backup)
    assert held["postgres/db/guestbook.dump"].startswith(b"PGDMP")
    assert b"entry 2" in held["postgres/db/guestbook.dump"]
    with tarfile.open(fileobj=io.BytesIO(held["volumes/data.tar"])) as tar:
        assert tar.getnames()[0] == "."
    assert backup.manifest["checks"] == {"entries": ["3", "3"]}
    sums = {each.path: each.sha256 for each in written_of(backup)}
    assert sums == {path: hashlib.sha256(data).hexdigest() for path, data in held.items()}
    again = back_up(instance)
    assert again.stored_bytes < backup.stored_bytes  # the same is not stored twice


def test_what_is_stopped_and_what_keeps_its_state_in_redis(
    running: Order, back_up: BackUp, work_off: WorkOff, actor: Actor
) -> None:
    keeper = running("keeper", app="keeper")
    held = contents(back_up(keeper))
    assert held["redis/redis.rdb"].startswith(b"REDIS")
    assert b"accounts" in held["redis/redis.rdb"]
    instances.stop(instance=keeper, actor=actor)
    work_off(keeper)
    backup = back_up(keeper)
    with tarfile.open(fileobj=io.BytesIO(contents(backup)["volumes/redis.tar"])) as tar:
        assert "./appendonlydir/appendonly.aof.manifest" in tar.getnames()
    assert backup.manifest["at_rest"]
    keeper.refresh_from_db()
    assert keeper.state == Instance.State.STOPPED
    assert repositories.primary(keeper).snapshots(tags=[tag(backup)])
