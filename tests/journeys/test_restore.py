"""Restores of instances that really run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hosting.engines.drift import Expected, Finding, compare, compare_stopped
from hosting.flows.engines import engine_for
from hosting.models import Backup, Incident, Instance, Operation, Restore
from hosting.services import instances, moves
from hosting.services.saving import restores
from tenants.services.actors import Actor
from tests.journeys.guestbook import back_up, done, read, write
from tests.journeys.inside import Inside, docker

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]


def test_a_restore_brings_the_data_of_the_backup_and_one_step_goes_back(
    running: Order, work_off: WorkOff, backup_target: Path, actor: Actor
) -> None:
    instance = running("book")
    write(instance, "ada")
    backup = back_up(instance, work_off, actor)
    write(instance, "bob")
    secrets = {each.name: each.reveal() for each in instance.secrets.all()}
    restore = _restore(instance, backup, work_off, actor)
    assert done(restore.operation) == Operation.State.SUCCEEDED
    assert (instance.state, instance.generation) == (Instance.State.RUNNING, 2)
    assert read(instance) == ["ada"]
    assert _has_statistics(instance), "no autovacuum looks at a table as small as this"
    assert secrets == {each.name: each.reveal() for each in instance.secrets.all()}
    assert restore.checks == {"entries": {"wanted": ["1", "1"], "said": "1", "fits": True}}
    assert restore.seconds is not None
    assert restore.safety is not None
    assert restore.safety.is_good
    assert _findings(instance) == ()  # the data of before is nothing strange to the reconciler
    moves.revert(instance=instance, actor=actor)
    assert done(work_off(instance)) == Operation.State.SUCCEEDED
    assert instance.generation == 1
    assert read(instance) == ["ada", "bob"]
    assert _findings(instance) == ()
    instances.delete(instance=instance, confirmation="book", actor=actor)
    assert done(work_off(instance)) == Operation.State.SUCCEEDED
    assert _volumes(instance) == ()


def _has_statistics(instance: Instance) -> bool:
    """Whether the query planner knows anything of the entries."""
    query = "SELECT count(*) > 0 FROM pg_stats WHERE tablename = 'entries'"
    user = ("-U", "guestbook", "-d", "guestbook")
    said = Inside(instance).run("db", "psql", "-AtXq", *user, "-c", query)
    return said.strip() == "t"


def test_a_damaged_backup_is_refused_before_anything_is_touched(
    running: Order, work_off: WorkOff, backup_target: Path, actor: Actor
) -> None:
    instance = running("keep", app="keeper")
    backup = back_up(instance, work_off, actor)
    _damage(backup_target)
    before = Inside(instance).containers()
    restore = _restore(instance, backup, work_off, actor)
    assert done(restore.operation) == Operation.State.FAILED
    assert "damaged" in restore.operation.reason
    begun = restore.operation.steps.exclude(started_at=None).values_list("name", flat=True)
    assert set(begun) <= {"check", "read"}
    assert instance.state == Instance.State.RUNNING
    after = Inside(instance).containers()
    assert {name: each["State"] for name, each in after.items()} == {
        name: each["State"] for name, each in before.items()
    }
    assert Incident.objects.filter(
        kind=Incident.Kind.BACKUP_DAMAGED, instance=instance, closed_at=None
    ).exists()


def test_data_that_does_not_fit_the_backup_is_taken_back_by_itself(
    running: Order, work_off: WorkOff, backup_target: Path, actor: Actor
) -> None:
    instance = running("book")
    write(instance, "ada")
    backup = back_up(instance, work_off, actor)
    backup.manifest["checks"] = {"entries": ["7", "9"]}  # as if it had held more
    backup.save(update_fields=["manifest"])
    write(instance, "bob")
    restore = _restore(instance, backup, work_off, actor)
    assert done(restore.operation) == Operation.State.FAILED
    assert restore.operation.reason == (
        "the restored data does not fit the backup: “entries” is 1, and was between 7 and 9."
        " Everything is as it was before."
    )
    assert (instance.state, instance.generation) == (Instance.State.RUNNING, 1)
    assert read(instance) == ["ada", "bob"]
    assert not any(name.endswith("-g2") for name in _volumes(instance))
    assert _findings(instance) == ()


def test_the_keys_of_redis_come_back(
    running: Order, work_off: WorkOff, backup_target: Path, actor: Actor
) -> None:
    instance = running("keep", app="keeper")
    _redis(instance, "SET", "color", "red")
    backup = back_up(instance, work_off, actor)
    _redis(instance, "SET", "color", "blue")
    restore = _restore(instance, backup, work_off, actor)
    assert done(restore.operation) == Operation.State.SUCCEEDED
    assert _redis(instance, "GET", "color") == "red"
    _redis(instance, "SET", "shape", "round")
    instances.restart(instance=instance, actor=actor)  # its log goes on from that base
    assert done(work_off(instance)) == Operation.State.SUCCEEDED
    assert _redis(instance, "MGET", "color", "shape") == "red\nround"


def test_a_stopped_instance_is_restored_and_stays_stopped(
    running: Order, work_off: WorkOff, backup_target: Path, actor: Actor
) -> None:
    instance = running("keep", app="keeper")
    _redis(instance, "SET", "color", "red")
    instances.stop(instance=instance, actor=actor)
    work_off(instance)
    backup = back_up(instance, work_off, actor)
    assert backup.manifest["at_rest"]
    restore = _restore(instance, backup, work_off, actor)
    assert done(restore.operation) == Operation.State.SUCCEEDED
    assert (instance.state, instance.generation) == (Instance.State.STOPPED, 2)
    assert _findings(instance) == ()
    instances.start(instance=instance, actor=actor)
    assert done(work_off(instance)) == Operation.State.SUCCEEDED
    assert _redis(instance, "GET", "color") == "red"


def test_lost_data_comes_back(
    running: Order, work_off: WorkOff, backup_target: Path, actor: Actor
) -> None:
    instance = running("book")
    write(instance, "ada")
    backup = back_up(instance, work_off, actor)
    docker("rm", "-f", *(each["Id"] for each in Inside(instance).containers().values()))
    docker("volume", "rm", f"{instance.project}-postgres")
    Instance.objects.update(state=Instance.State.DEGRADED)  # as the reconciler does it
    instance.refresh_from_db()
    restore = _restore(instance, backup, work_off, actor)
    assert done(restore.operation) == Operation.State.SUCCEEDED
    assert restore.safety is None
    assert (instance.state, read(instance)) == (Instance.State.RUNNING, ["ada"])


def _restore(instance: Instance, backup: Backup, work_off: WorkOff, actor: Actor) -> Restore:
    restore = restores.request(instance=instance, backup=backup, actor=actor)
    work_off(instance)
    restore.refresh_from_db()
    return restore


def _volumes(instance: Instance) -> tuple[str, ...]:
    return engine_for(instance.server).observe(str(instance.pk)).volumes


def _findings(instance: Instance) -> tuple[Finding, ...]:
    """What the reconciler would find."""
    observed = engine_for(instance.server).observe(str(instance.pk))
    expected = Expected.load(instance.expected)
    is_stopped = instance.state == Instance.State.STOPPED
    return (compare_stopped if is_stopped else compare)(expected, observed)


def _damage(target: Path) -> None:
    """Change one byte in the middle of every file of data."""
    for pack in (each for each in target.glob("*/*/data/*/*") if each.is_file()):
        data = bytearray(pack.read_bytes())
        data[len(data) // 3] ^= 1
        pack.chmod(0o600)
        pack.write_bytes(data)


def _redis(instance: Instance, *command: str) -> str:
    script = 'REDISCLI_AUTH="$(cat /run/secrets/redis_password)" exec redis-cli "$@"'
    return Inside(instance).run("redis", "sh", "-c", script, "sh", *command).strip()
