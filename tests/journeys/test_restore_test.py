"""Backups that are really brought back, to see whether they can be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.utils import timezone

from hosting.flows import stacks
from hosting.flows.base import Work
from hosting.flows.engines import engine_for
from hosting.flows.running import smoke
from hosting.models import Incident, Instance, Operation, RestoreTest
from hosting.services.saving import restore_tests
from tenants.services.actors import Actor
from tests.hosting.engines.host_network import machine_beyond
from tests.journeys.guestbook import back_up, done, read, write
from tests.journeys.inside import Inside

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
FAILED = Incident.Kind.RESTORE_TEST_FAILED


def test_a_backup_that_can_be_brought_back_passes_and_leaves_nothing(
    running: Order, work_off: WorkOff, backup_target: Path, actor: Actor
) -> None:
    book = running("book")
    write(book, "ada")
    backup = back_up(book, work_off, actor)
    write(book, "bob")
    assert restore_tests.request_due(now=timezone.now()) == 1
    test = RestoreTest.objects.get()
    assert all(each.internal for each in stacks.build(test.scratch).networks)
    assert done(work_off(test.scratch)) == Operation.State.SUCCEEDED
    test.refresh_from_db()
    assert (test.backup, test.passed) == (backup, True)
    assert test.checks == {"entries": {"wanted": ["1", "1"], "said": "1", "fits": True}}
    assert test.seconds is not None
    assert _is_gone(test.scratch)
    assert read(book) == ["ada", "bob"]
    assert restore_tests.request_due(now=timezone.now()) == 0


def test_one_that_cant_be_is_an_incident_and_leaves_nothing(
    running: Order, work_off: WorkOff, backup_target: Path, actor: Actor
) -> None:
    book = running("book")
    backup = back_up(book, work_off, actor)
    backup.manifest["checks"] = {"entries": ["7", "9"]}  # as if it had held more
    backup.save(update_fields=["manifest"])
    test = restore_tests.request(instance=book)
    assert test is not None
    assert done(work_off(test.scratch)) == Operation.State.FAILED
    test.refresh_from_db()
    assert (test.passed, test.checks["entries"]["fits"]) == (False, False)
    assert "“entries” is 0, and was between 7 and 9" in test.reason
    incident = Incident.objects.get(kind=FAILED, instance=book, closed_at=None)
    assert test.reason in incident.summary
    assert _is_gone(test.scratch)
    backup.manifest["checks"] = {"entries": ["0", "0"]}
    backup.save(update_fields=["manifest"])
    again = restore_tests.request(instance=book)
    assert again is not None
    assert done(work_off(again.scratch)) == Operation.State.SUCCEEDED
    assert not Incident.objects.filter(kind=FAILED, closed_at=None).exists()


def test_nothing_gets_out_of_it(
    running: Order,
    work_off: WorkOff,
    backup_target: Path,
    actor: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    book = running("book")
    back_up(book, work_off, actor)
    test = restore_tests.request(instance=book)
    assert test is not None
    looked: list[str] = []
    open_pages = smoke.pages
    own = "db:5432"

    def look_out(work: Work, instance: Instance, *, host: str) -> None:
        scratch = Inside(instance)
        web = [f"{end['IPAddress']}:8000" for end in Inside(book).ends()["web"]]
        assert Inside(book).reached("web", [outside], own=own) == {outside}, "there is a way"
        every = {*web, outside, f"{beyond}:8080", "169.254.169.254:8080"}
        for service, reached in scratch.reached_from_each(every, own=own).items():
            assert reached == set(), service
            looked.append(service)
        open_pages(work, instance, host=host)

    monkeypatch.setattr(smoke, "pages", look_out)
    with machine_beyond() as beyond:
        outside = "198.51.100.53:8080"
        assert done(work_off(test.scratch)) == Operation.State.SUCCEEDED
    assert sorted(looked) == ["db", "redis", "web"]
    assert _is_gone(test.scratch)


def _is_gone(scratch: Instance) -> bool:
    scratch.refresh_from_db()
    seen = engine_for(scratch.server).observe(str(scratch.pk))
    return scratch.state == Instance.State.DELETED and seen.is_gone
