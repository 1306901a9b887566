"""Operations that take back by themselves what they could not bring to an end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.utils import timezone

from hosting.engines.errors import EngineUnavailable, GiveUp, TryLater
from hosting.flows.base import Step, Undone, Work
from hosting.flows.working import runner
from hosting.models import Instance, Operation, OperationStep, Server
from hosting.services import instances
from hosting.services.working import breaker, leases, operations, turns
from tenants.errors import Refused
from tenants.services.actors import Actor

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = pytest.mark.django_db(transaction=True)


class Play:
    """A restart of three steps that does what it is told, and what has been done of it."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.troubles: dict[str, Callable[[Work], None]] = {}

    def step(self, name: str) -> Step:
        def run(work: Work) -> None:
            self.troubles.get(name, lambda work: None)(work)
            self.done.append(name)

        return Step(name, name.title(), run)

    def fail(self, name: str, error: Exception) -> None:
        def trouble(work: Work) -> None:
            raise error

        self.troubles[name] = trouble


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    play = Play()
    flow = replace(
        runner.FLOWS[Operation.Kind.RESTART],
        steps=(play.step("look"), play.step("leave"), play.step("arrive")),
        undo=(play.step("undo-leave"), play.step("undo-rest")),
        undo_from="leave",
        failed_as=None,
    )
    monkeypatch.setitem(runner.FLOWS, Operation.Kind.RESTART, flow)
    return play


@pytest.fixture
def asked(
    order: Order, memory_server: Server, work_off: WorkOff, play: Play, actor: Actor
) -> Instance:
    """A running instance that a restart was asked for."""
    instance = order("book")
    work_off(instance)
    instances.restart(instance=instance, actor=actor)
    return instance


def _make_due(operation: Operation) -> None:
    Operation.objects.filter(pk=operation.pk).update(run_after=timezone.now())
    Server.objects.exclude(retry_at=None).update(retry_at=timezone.now())


def test_it_takes_back_what_fails_after_the_instance_left(
    asked: Instance, play: Play, work_off: WorkOff
) -> None:
    play.fail("arrive", GiveUp("there is no way in"))
    operation = work_off(asked)
    assert play.done == ["look", "leave", "undo-leave", "undo-rest"]
    assert operation.state == Operation.State.FAILED
    assert operation.reason == "there is no way in. Everything is as it was before."
    assert asked.state == Instance.State.RUNNING
    steps = list(operation.steps.values_list("position", "name", "state"))
    assert steps == [
        (0, "look", "done"),
        (1, "leave", "done"),
        (2, "arrive", "failed"),
        (3, "undo-leave", "done"),
        (4, "undo-rest", "done"),
    ]


def test_it_takes_back_nothing_of_what_failed_before(
    asked: Instance, play: Play, work_off: WorkOff
) -> None:
    play.fail("look", GiveUp("it does not fit"))
    operation = work_off(asked)
    assert (operation.state, operation.reason) == ("failed", "it does not fit")
    assert play.done == []
    assert (operation.undoing, asked.state) == ("", Instance.State.RUNNING)


def test_a_step_that_has_only_begun_is_taken_back_too(
    asked: Instance, play: Play, work_off: WorkOff
) -> None:
    play.fail("leave", GiveUp("half gone"))
    assert work_off(asked).state == Operation.State.FAILED
    assert play.done == ["look", "undo-leave", "undo-rest"]


def test_it_takes_back_what_was_tried_too_often(
    asked: Instance, play: Play, work_off: WorkOff
) -> None:
    play.fail("arrive", TryLater("the door is shut"))
    for _ in range(runner.MAX_ATTEMPTS - 1):
        operation = work_off(asked)
        assert (operation.state, operation.undoing) == ("queued", "")
        _make_due(operation)
    operation = work_off(asked)
    assert operation.state == Operation.State.FAILED
    assert operation.reason.startswith("the door is shut. Everything")
    assert play.done[-2:] == ["undo-leave", "undo-rest"]


def test_it_takes_back_what_worker_after_worker_died_of(
    asked: Instance, play: Play, work_off: WorkOff
) -> None:
    play.fail("arrive", TryLater("not yet"))
    operation = work_off(asked)
    Operation.objects.update(attempt=runner.MAX_ATTEMPTS)
    _make_due(operation)
    operation = work_off(asked)
    assert operation.state == Operation.State.FAILED
    assert "no worker came to its end" in operation.reason
    assert play.done[-2:] == ["undo-leave", "undo-rest"]


def test_it_takes_back_what_berth_itself_did_wrong(
    asked: Instance, play: Play, work_off: WorkOff
) -> None:
    play.fail("arrive", KeyError("web"))
    with pytest.raises(KeyError):
        work_off(asked)
    operation = asked.operations.latest("requested_at")
    assert operation.state == Operation.State.FAILED
    assert "error of its own (KeyError)" in operation.reason
    assert operation.reason.endswith("Everything is as it was before.")


def test_taking_back_is_tried_for_as_long_as_it_takes(
    asked: Instance, play: Play, work_off: WorkOff
) -> None:
    play.fail("arrive", GiveUp("there is no way in"))
    for error in (
        *(GiveUp("the way back is blocked") for _ in range(runner.MAX_ATTEMPTS + 1)),
        TryLater("the way back is wet"),
        EngineUnavailable("silence"),
    ):
        play.fail("undo-leave", error)
        operation = work_off(asked)
        assert operation.state == Operation.State.QUEUED
        assert operation.undoing == "there is no way in"
        _make_due(operation)
    play.troubles.clear()
    operation = work_off(asked)
    assert (operation.state, operation.reason) == (
        "failed",
        "there is no way in. Everything is as it was before.",
    )
    assert play.done.count("leave") == 1  # it goes back, and never forward again


def test_an_error_of_berths_own_on_the_way_back_is_raised_and_tried_again(
    asked: Instance, play: Play, work_off: WorkOff
) -> None:
    play.fail("arrive", GiveUp("there is no way in"))
    play.fail("undo-rest", KeyError("web"))
    with pytest.raises(KeyError):
        work_off(asked)
    operation = asked.operations.latest("requested_at")
    assert operation.state == Operation.State.QUEUED
    _make_due(operation)
    play.troubles.pop("undo-rest")
    assert work_off(asked).state == Operation.State.FAILED
    assert play.done == ["look", "leave", "undo-leave", "undo-rest"]


def test_another_worker_goes_on_taking_back_where_one_died(
    asked: Instance, play: Play, work_off: WorkOff
) -> None:
    play.fail("arrive", GiveUp("there is no way in"))
    play.fail("undo-rest", leases.LeaseLost("dead"))  # says nothing more, as the dead do
    operation = work_off(asked)
    assert operation.state == Operation.State.RUNNING
    play.troubles.pop("undo-rest")
    Operation.objects.update(lease_expires_at=timezone.now())
    assert work_off(asked).state == Operation.State.FAILED
    assert play.done == ["look", "leave", "undo-leave", "undo-rest"]


def test_what_is_called_off_on_the_way_is_taken_back_and_ends_as_cancelled(
    asked: Instance, play: Play, work_off: WorkOff, actor: Actor
) -> None:
    def call_off(work: Work) -> None:
        operations.cancel(operation_id=work.lease.operation_id, actor=actor)
        work.report("")

    play.troubles["leave"] = call_off
    operation = work_off(asked)
    assert operation.state == Operation.State.CANCELLED
    assert operation.reason == "“Restart” was called off. Everything is as it was before."
    assert play.done == ["look", "undo-leave", "undo-rest"]
    assert asked.state == Instance.State.RUNNING


def test_taking_back_cannot_be_called_off_and_waits_for_its_server_like_others(
    asked: Instance, play: Play, work_off: WorkOff, actor: Actor, memory_server: Server
) -> None:
    play.fail("arrive", GiveUp("there is no way in"))
    play.fail("undo-leave", TryLater("not yet"))
    operation = work_off(asked)
    with pytest.raises(Refused, match="taken back already"):
        operations.cancel(operation_id=operation.pk, actor=actor)
    # One that was called off before is no reason to pass the others while the server is silent.
    operation.cancel_requested_at = timezone.now()
    for _ in range(3):
        breaker.record_silence(server=memory_server, error="silence")
    memory_server.refresh_from_db()
    assert turns.obstacle(operation=operation, server=memory_server)
    play.troubles.clear()
    _make_due(operation)
    Operation.objects.update(cancel_requested_at=None)
    assert work_off(asked).state == Operation.State.FAILED


def test_the_flow_says_what_the_instance_is_afterwards(
    asked: Instance, play: Play, work_off: WorkOff, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crooked(operation: Operation) -> Undone:
        return Undone(Instance.State.DEGRADED, "It came back crooked.")

    flow = replace(runner.FLOWS[Operation.Kind.RESTART], undone=crooked)
    monkeypatch.setitem(runner.FLOWS, Operation.Kind.RESTART, flow)
    play.fail("arrive", GiveUp("There is no way in."))
    operation = work_off(asked)
    assert operation.reason == "There is no way in. It came back crooked."
    assert (asked.state, asked.state_reason) == (Instance.State.DEGRADED, operation.reason)
    assert not operation.steps.filter(state=OperationStep.State.RUNNING).exists()
