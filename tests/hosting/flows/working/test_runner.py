"""How operations are worked through: steps, retries, leases, failures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from hosting import tasks
from hosting.engines.errors import TryLater
from hosting.engines.memory import MemoryEngine
from hosting.flows.working import runner
from hosting.models import Instance, Operation, OperationStep, Server
from hosting.services import instances
from hosting.services.working import doorbell, leases, progress
from tenants.models import AuditEvent
from tenants.services.actors import Actor

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = pytest.mark.django_db(transaction=True)


def _make_due(operation: Operation) -> None:
    Operation.objects.filter(pk=operation.pk).update(run_after=timezone.now())
    Server.objects.exclude(retry_at=None).update(retry_at=timezone.now())


def test_it_brings_an_instance_up_and_records_each_step(
    order: Order, memory_engine: MemoryEngine, work_off: WorkOff
) -> None:
    instance = order("book")
    operation = work_off(instance)
    assert operation.state == Operation.State.SUCCEEDED
    assert instance.state == Instance.State.RUNNING
    assert instance.first_running_at is not None
    names = [step.name for step in operation.steps.all()]
    assert names == ["room", "pull", "protect", "prepare", "start", "ready", "publish", "verify"]
    assert {step.state for step in operation.steps.all()} == {"done"}
    assert len(memory_engine.observe(str(instance.pk)).services) == 3
    assert AuditEvent.objects.filter(action="operation.succeeded").count() == 1


def test_it_stops_starts_restarts_and_deletes(
    order: Order, memory_engine: MemoryEngine, work_off: WorkOff, actor: Actor
) -> None:
    instance = order("book")
    work_off(instance)
    for verb, state in (
        (instances.stop, Instance.State.STOPPED),
        (instances.start, Instance.State.RUNNING),
        (instances.restart, Instance.State.RUNNING),
    ):
        verb(instance=instance, actor=actor)
        assert work_off(instance).state == Operation.State.SUCCEEDED
        assert instance.state == state
    instances.delete(instance=instance, confirmation="book", actor=actor)
    assert work_off(instance).state == Operation.State.SUCCEEDED
    assert instance.state == Instance.State.DELETED
    assert memory_engine.observe(str(instance.pk)).is_gone
    assert not instance.secrets.exists()
    assert not instance.hostnames.exists()
    assert order("book").pk != instance.pk  # the name is free again


def test_it_fails_at_pull_for_an_image_that_does_not_exist_and_leaves_nothing(
    order: Order, memory_engine: MemoryEngine, work_off: WorkOff, actor: Actor
) -> None:
    instance = order("book")
    image = next(iter(_images(instance)))
    memory_engine.faults.missing_images.add(image)
    operation = work_off(instance)
    assert operation.state == Operation.State.FAILED
    assert image in operation.reason
    assert operation.steps.get(state=OperationStep.State.FAILED).name == "pull"
    assert memory_engine.observe(str(instance.pk)).is_gone
    memory_engine.faults.missing_images.clear()
    instances.retry(instance=instance, actor=actor)
    assert work_off(instance).state == Operation.State.SUCCEEDED


def _images(instance: Instance) -> tuple[str, ...]:
    from hosting.flows import stacks

    return stacks.build(instance).images


def test_it_waits_for_a_server_that_does_not_answer_and_then_succeeds_by_itself(
    order: Order, memory_engine: MemoryEngine, memory_server: Server, work_off: WorkOff
) -> None:
    instance = order("book")
    memory_engine.faults.is_unavailable = True
    for _ in range(runner.MAX_ATTEMPTS + 2):
        operation = work_off(instance)
        assert operation.state == Operation.State.QUEUED
        assert operation.reason.startswith("Server memory ")
        assert operation.run_after > timezone.now()
        _make_due(operation)
    first = operation.steps.get(position=0)
    assert first.output.count("\n") == 1  # the same thing is said once, however often it is tried
    memory_server.refresh_from_db()
    assert memory_server.last_error
    memory_engine.faults.is_unavailable = False
    assert work_off(instance).state == Operation.State.SUCCEEDED
    memory_server.refresh_from_db()
    assert memory_server.last_error == ""


def test_it_gives_up_on_a_server_that_stays_silent_for_a_day(
    order: Order, memory_engine: MemoryEngine, work_off: WorkOff
) -> None:
    instance = order("book")
    memory_engine.faults.is_unavailable = True
    Operation.objects.update(requested_at=timezone.now() - timedelta(hours=25))
    operation = work_off(instance)
    assert operation.state == Operation.State.FAILED
    assert "does not answer" in operation.reason


def test_it_tries_again_ever_later_and_gives_up_after_so_many_attempts(
    order: Order, memory_engine: MemoryEngine, work_off: WorkOff
) -> None:
    def busy(line: str) -> None:
        raise TryLater("the engine is busy")

    instance = order("book")
    memory_engine.faults.before_change = busy
    waits = []
    for _ in range(runner.MAX_ATTEMPTS - 1):
        operation = work_off(instance)
        assert (operation.state, operation.reason) == ("queued", "the engine is busy")
        waits.append((operation.run_after - timezone.now()).total_seconds())
        _make_due(operation)
    assert waits[0] < waits[2] < waits[4]
    assert work_off(instance).state == Operation.State.FAILED


def test_it_skips_the_steps_that_are_recorded_as_done(
    order: Order, memory_engine: MemoryEngine, work_off: WorkOff
) -> None:
    instance = order("book")
    memory_engine.faults.unready_services.add("web")
    memory_engine.faults.before_change = _fail_once("starting web")
    first = work_off(instance)
    done = {step.name: step.finished_at for step in first.steps.filter(state="done")}
    assert set(done) == {"room", "pull", "protect", "prepare"}
    memory_engine.faults.unready_services.clear()
    _make_due(first)
    second = work_off(instance)
    assert second.state == Operation.State.SUCCEEDED
    assert {s.name: s.finished_at for s in second.steps.all() if s.name in done} == done


def _fail_once(line: str) -> Callable[[str], None]:
    left = [line]

    def fail(said: str) -> None:
        if said in left:
            left.remove(said)
            raise TryLater("not now")

    return fail


def test_it_gives_up_on_a_step_at_its_deadline_and_says_what_it_waited_for(
    order: Order,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    instance = order("book")
    memory_engine.faults.unready_services.add("web")
    _shorten(monkeypatch, "ready", timedelta(seconds=0.5))
    operation = work_off(instance)
    assert operation.state == Operation.State.FAILED
    assert operation.reason.startswith("“Wait until the app is ready” did not end within 0 s")
    assert "web is not ready" in operation.reason
    assert instance.state == Instance.State.FAILED


def test_an_instance_runs_only_once_each_of_its_services_is_ready(
    order: Order,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not the web service alone: nobody waits for a worker that no other service depends on."""
    instance = order("book")
    monkeypatch.setattr(memory_engine, "apply", lambda stack, report: None)
    ready = {"web", "db"}
    monkeypatch.setattr(memory_engine, "is_ready", lambda stack, service: service in ready)
    _shorten(monkeypatch, "ready", timedelta(seconds=0.3))
    operation = work_off(instance)
    assert operation.state == Operation.State.FAILED
    assert "redis is not ready" in operation.reason


def _shorten(monkeypatch: pytest.MonkeyPatch, name: str, deadline: timedelta) -> None:
    from dataclasses import replace

    flow = runner.FLOWS["provision"]
    steps = tuple(
        replace(step, deadline=deadline) if step.name == name else step for step in flow.steps
    )
    monkeypatch.setitem(runner.FLOWS, "provision", replace(flow, steps=steps))


def test_only_one_worker_gets_an_operation(order: Order, memory_engine: MemoryEngine) -> None:
    operation = order("book").operations.get()
    assert leases.claim(operation_id=operation.pk, worker="one") is not None
    assert leases.claim(operation_id=operation.pk, worker="two") is None


def test_a_worker_whose_lease_ran_out_can_do_nothing_any_more(
    order: Order, memory_engine: MemoryEngine, work_off: WorkOff
) -> None:
    instance = order("book")
    operation = instance.operations.get()
    lost = leases.claim(operation_id=operation.pk, worker="asleep")
    assert lost is not None
    Operation.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert work_off(instance).state == Operation.State.SUCCEEDED
    for write in (
        lambda: leases.check(lease=lost),
        lambda: leases.extend(lease=lost),
        lambda: progress.say(lease=lost, step="start", line="I am back"),
        lambda: leases.postpone(lease=lost, reason="?", delay=timedelta(0)),
    ):
        with pytest.raises(leases.LeaseLost):
            write()


def test_a_lease_that_ran_out_is_lost_even_where_nobody_took_it_over(
    order: Order, memory_engine: MemoryEngine
) -> None:
    operation = order("book").operations.get()
    lease = leases.claim(operation_id=operation.pk, worker="asleep")
    assert lease is not None
    Operation.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(leases.LeaseLost):
        leases.check(lease=lease)


def test_an_error_of_berths_own_fails_the_operation_and_reaches_the_log(
    order: Order, memory_engine: MemoryEngine
) -> None:
    def bug(line: str) -> None:
        raise ZeroDivisionError("secret details")

    memory_engine.faults.before_change = bug
    operation = order("book").operations.get()
    with pytest.raises(ZeroDivisionError):
        runner.run(operation.pk)
    operation.refresh_from_db()
    assert operation.state == Operation.State.FAILED
    assert "ZeroDivisionError" in operation.reason
    assert "secret details" not in operation.reason


def test_the_sweeper_rings_for_what_is_due_and_for_what_was_abandoned(
    order: Order, memory_engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, abandoned, later, held = (order(f"book-{n}").operations.get() for n in range(4))
    for operation in (abandoned, held):
        assert leases.claim(operation_id=operation.pk, worker="gone")
    past, future = (timezone.now() + timedelta(minutes=m) for m in (-1, 1))
    Operation.objects.filter(pk=abandoned.pk).update(lease_expires_at=past)
    Operation.objects.filter(pk=later.pk).update(run_after=future)
    rung = []
    monkeypatch.setattr(doorbell, "ring", lambda *, operation_id: rung.append(operation_id))
    tasks.sweep()
    assert set(rung) == {waiting.pk, abandoned.pk}


def test_it_moves_to_the_next_subnet_where_the_server_uses_this_one(
    order: Order, memory_engine: MemoryEngine, work_off: WorkOff
) -> None:
    instance = order("book")
    memory_engine.faults.taken_subnets.add("10.208.0.0/28")
    assert work_off(instance).state == Operation.State.SUCCEEDED
    assert Instance.objects.get(pk=instance.pk).subnet.index == 1


def test_it_gives_up_on_what_kills_worker_after_worker(
    order: Order, memory_engine: MemoryEngine, work_off: WorkOff
) -> None:
    instance = order("book")
    instance.operations.update(attempt=runner.MAX_ATTEMPTS)  # claimed so often, never given back
    operation = work_off(instance)
    assert operation.state == Operation.State.FAILED
    assert operation.reason == "It was begun 8 times, and no worker came to its end."
    assert instance.state == Instance.State.FAILED
    assert not memory_engine.observe(str(instance.pk)).services
