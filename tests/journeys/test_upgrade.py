"""Changes of version on instances that really run, while their clients go on posting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from hosting.flows.working import runner
from hosting.models import Instance, Operation, Rehearsal
from hosting.selectors.instances import hostname
from hosting.services import moves
from hosting.services.upgrading import upgrades
from tenants.services.actors import Actor
from tests.journeys.guestbook import back_up, done, read, write
from tests.journeys.inside import Inside, docker
from tests.journeys.portal import Edge, wait_until
from tests.journeys.posting import CLIENTS, Hold, Posters, signed
from tests.journeys.shelf import change, shelf_of

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]


@pytest.fixture
def shelf(settings: Settings, tmp_path: Path) -> Path:
    """The guestbook's catalog, to be changed; at first it knows the first version alone."""
    return shelf_of(settings, tmp_path)


def _rehearse(instance: Instance, actor: Actor) -> Rehearsal:
    made = upgrades.rehearse(instance=instance, version="2", plan="", actor=actor)
    runner.run(made.scratch.operations.get().pk)
    made.refresh_from_db()
    made.scratch.refresh_from_db()
    assert made.scratch.is_deleted
    return made


def _volumes(instance: Instance) -> list[str]:
    listed = docker("volume", "ls", "-q", "--filter", f"label=berth.instance={instance.pk}")
    return sorted(each.removeprefix(f"{instance.project}-") for each in listed.split())


def test_an_upgrade_is_rehearsed_loses_no_post_and_can_be_taken_back(
    shelf: Path,
    edge: Edge,
    hold: Hold,
    running: Order,
    work_off: WorkOff,
    backup_target: Path,
    actor: Actor,
) -> None:
    instance = running("book")
    assert instance.version == "1"
    write(instance, "ada")
    back_up(instance, work_off, actor)
    change(shelf, versions=["2", "1"])
    rehearsal = _rehearse(instance, actor)
    assert (rehearsal.passed, rehearsal.reason) == (True, "")
    assert rehearsal.checks["entries"]["fits"]
    posters = Posters(f"http://127.0.0.1:{edge.port}/entries", hostname(instance))
    with posters.posting():
        wait_until(lambda: len(posters.answers) > CLIENTS, seconds=30, what="entries are signed")
        upgrades.request(instance=instance, version="2", plan="", actor=actor)
        operation = work_off(instance)
        after = len(posters.answers) + CLIENTS * 2
        wait_until(lambda: len(posters.answers) > after, seconds=60, what="entries are signed")
    assert done(operation) == Operation.State.SUCCEEDED
    assert (instance.version, instance.generation) == ("2", 2)
    assert edge.get(instance, "/version").json() == {"version": "2"}
    assert not posters.errors
    # Only a POST with a whole body is answered so: a GET of that address is answered with 200.
    assert {each.status for each in posters.answers} == {201}
    wanted = Counter(["ada", *(each.text for each in posters.answers)])
    assert signed(edge, instance) == wanted
    assert f"{CLIENTS} held, now app" in hold.log.read_text()
    moves.revert(instance=instance, actor=actor)
    assert done(work_off(instance)) == Operation.State.SUCCEEDED
    assert (instance.version, instance.generation) == ("1", 1)
    assert edge.get(instance, "/version").json() == {"version": "1"}
    left = signed(edge, instance)
    assert left["ada"] == 1
    assert not left - wanted


def test_a_version_that_does_not_start_fails_its_rehearsal_and_is_taken_back_by_itself(
    shelf: Path,
    running: Order,
    work_off: WorkOff,
    backup_target: Path,
    actor: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    instance = running("book")
    write(instance, "ada")
    back_up(instance, work_off, actor)
    before = Inside(instance).containers()
    change(shelf, versions=["2", "1"], FAIL_START="1")
    rehearsal = _rehearse(instance, actor)
    assert rehearsal.passed is False
    assert "web" in rehearsal.reason
    # As if it had gone well: what happens only to the real one is not seen in a rehearsal.
    monkeypatch.setattr(upgrades, "_refuse_unrehearsed", lambda *_: None)
    upgrades.request(instance=instance, version="2", plan="", actor=actor)
    operation = work_off(instance)
    assert done(operation) == Operation.State.FAILED
    assert operation.reason.endswith("Everything is as it was before.")
    assert (instance.version, instance.generation, instance.state) == ("1", 1, "running")
    assert read(instance) == ["ada"]
    assert not any(each.endswith("-g2") for each in _volumes(instance))
    images = {name: each["Image"] for name, each in Inside(instance).containers().items()}
    assert images == {name: each["Image"] for name, each in before.items()}
