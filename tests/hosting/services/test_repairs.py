"""What the reconciler writes down, and who it knows."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from hosting.engines.drift import Finding, Kind
from hosting.models import Drift, EdgeState, Incident, Instance, Operation, Server
from hosting.services import repairs
from tests.hosting.rounds import pass_time
from tests.tenants.threads import at_once

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = pytest.mark.django_db

DOWN = Finding(Kind.STOPPED, "web", "web does not run")
CUT = Finding(Kind.DISCONNECTED, "web", "web is cut off from back")


@pytest.fixture
def book(order: Order, memory_server: Server, work_off: WorkOff) -> Instance:
    instance = order("book")
    work_off(instance)
    pass_time()
    return instance


def test_a_finding_is_a_row_as_long_as_it_is_seen(book: Instance) -> None:
    repairs.note(instance=book, findings=[DOWN, CUT], done="a")
    repairs.note(instance=book, findings=[DOWN], done="")
    down, cut = (book.drifts.get(kind=each.kind) for each in (DOWN, CUT))
    assert (down.settled_at, down.done) == (None, "a")
    assert cut.settled_at is not None
    repairs.note(instance=book, findings=[CUT], done="b")
    assert book.drifts.filter(kind=CUT.kind).count() == 2
    assert book.drifts.get(settled_at=None).done == "b"


def test_a_finding_that_reads_differently_now_is_still_the_same(book: Instance) -> None:
    repairs.note(instance=book, findings=[CUT], done="")
    worse = Finding(CUT.kind, CUT.subject, "web is cut off from back, front")
    repairs.note(instance=book, findings=[worse], done="")
    assert book.drifts.get().found == worse.text


@pytest.mark.django_db(transaction=True)
def test_two_rounds_that_note_at_once_leave_one_row_each(book: Instance) -> None:
    def note() -> None:
        repairs.note(instance=book, findings=[DOWN, CUT], done="")

    for future in at_once(*[note] * 4):
        future.result()
    assert Drift.objects.count() == 2


def test_instances_come_with_what_is_open_of_them(book: Instance, memory_server: Server) -> None:
    repairs.note(instance=book, findings=[DOWN, CUT], done="")
    repairs.note(instance=book, findings=[CUT], done="")
    now = timezone.now() - timedelta(seconds=2)
    [found] = repairs.instances_on(server=memory_server, undisturbed_since=now)
    assert [each.kind for each in found.open_drifts] == ["disconnected"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("state", ["queued", "running"])
def test_an_instance_that_is_worked_on_is_not_among_them(
    state: str, book: Instance, memory_server: Server
) -> None:
    lease = timezone.now() if state == "running" else None
    Operation.objects.create(instance=book, kind="stop", state=state, lease_expires_at=lease)
    found = repairs.instances_on(server=memory_server, undisturbed_since=timezone.now())
    assert not found.exists()


def test_labels_are_known_only_as_berth_writes_them(book: Instance, memory_server: Server) -> None:
    labels = [str(book.pk), str(book.pk).upper(), book.pk.hex, "", "x", str(uuid.uuid4())]
    assert repairs.known_labels(server=memory_server, labels=labels) == {str(book.pk)}


def test_degrading_and_recovering_are_told_once_each_and_reach_the_edge(book: Instance) -> None:
    wanted = EdgeState.objects.get().wanted
    for reason in ("It ends.", "It ends.", "It ends, too."):
        repairs.degrade(instance=book, reason=reason, seen_at=timezone.now())
    book.refresh_from_db()
    assert (book.state, book.state_reason) == ("degraded", "It ends, too.")
    assert Incident.objects.get().summary == "acme/book: It ends, too."
    for _ in range(2):
        repairs.recover(instance=book, seen_at=timezone.now())
    book.refresh_from_db()
    assert (book.state, book.state_reason) == ("running", "")
    assert EdgeState.objects.get().wanted == wanted + 2


@pytest.mark.parametrize("state", ["failed", "new", "stopped"])
def test_only_what_should_run_becomes_degraded(state: str, book: Instance) -> None:
    Instance.objects.update(state=state)
    repairs.degrade(instance=book, reason="It ends.", seen_at=timezone.now())
    book.refresh_from_db()
    assert book.state == state


def test_nothing_is_repaired_that_is_to_be_deleted(book: Instance) -> None:
    Instance.objects.update(delete_requested_at=timezone.now())
    assert repairs.request_repair(instance=book, kind=Operation.Kind.REPAIR) is None


@pytest.mark.django_db(transaction=True)
def test_many_that_ask_at_once_ask_for_one_repair(book: Instance) -> None:
    def ask() -> Operation | None:
        return repairs.request_repair(instance=book, kind=Operation.Kind.REPAIR)

    asked = [each.result() for each in at_once(*[ask] * 5)]
    assert len([each for each in asked if each is not None]) == 1
    book.refresh_from_db()
    assert book.repairs == 1
    assert book.repair_after is not None
