"""How often a repair is tried, and when an instance counts as degraded or as well again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import Health
from hosting.flows.watching import reconcile
from hosting.models import Incident, Instance, Operation, Server
from hosting.services import instances, repairs
from tenants.models import AuditEvent
from tenants.services.actors import Actor
from tests.hosting.rounds import one_round, pass_time, state_after_a_round, work_all

WorkOff = Callable[[Instance], Operation]
pytestmark = pytest.mark.django_db


def test_an_unhealthy_service_is_restarted_and_no_other(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    memory_engine.hands.make_unhealthy(str(book.pk), "web")
    one_round(memory_server)
    [repair] = work_all()
    said = repair.steps.get(name="revive").output
    assert said == "restarting web\n"
    seen = memory_engine.observe(str(book.pk)).service("web")
    assert seen is not None
    assert seen.health is Health.HEALTHY


def test_what_is_called_unhealthy_but_answers_now_is_left_alone(
    book: Instance,
    memory_engine: MemoryEngine,
    memory_server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The engine's word is from its last check, which may have been while it was paused."""
    memory_engine.hands.make_unhealthy(str(book.pk), "web")
    monkeypatch.setattr(memory_engine, "is_ready", lambda stack, service: True)
    assert one_round(memory_server) == reconcile.Round(instances=1, drifted=0)
    repair = repairs.request_repair(instance=book, kind=Operation.Kind.REPAIR)
    assert repair is not None
    work_all()
    assert repair.steps.get(name="revive").output == "nothing has to be restarted\n"


def test_what_keeps_ending_is_left_to_the_engine_until_that_has_not_helped(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    memory_engine.hands.loop(str(book.pk), "web", restarts=2)
    assert state_after_a_round(memory_server, book) == Instance.State.RUNNING
    assert book.drifts.get().done == "The engine starts it again, ever later."
    memory_engine.hands.calm(str(book.pk), "web")
    memory_engine.hands.loop(str(book.pk), "web", restarts=9, exit_code=3)
    assert state_after_a_round(memory_server, book) == Instance.State.DEGRADED
    assert "exit code 3" in book.state_reason
    assert not work_all()


def test_only_the_restarts_of_the_service_that_keeps_ending_count(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    """Another one that was restarted often in its long life says nothing about it."""
    memory_engine.hands.loop(str(book.pk), "redis", restarts=40)
    memory_engine.hands.calm(str(book.pk), "redis")
    memory_engine.hands.loop(str(book.pk), "web", restarts=1)
    assert state_after_a_round(memory_server, book) == Instance.State.RUNNING


def test_what_ends_soon_after_each_start_is_degraded_though_no_look_catches_it_down(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    pass_time()
    reconcile.some(memory_server, [str(book.pk)], {str(book.pk): ["web", "unheard-of"]})
    book.refresh_from_db()
    assert book.state == Instance.State.DEGRADED
    assert book.state_reason.startswith("Web keeps ending soon after it was started")
    assert book.drifts.get().subject == "web"


def test_a_degraded_instance_that_is_well_again_recovers_and_its_incident_closes(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    memory_engine.hands.loop(str(book.pk), "web", restarts=9)
    one_round(memory_server)
    assert Incident.objects.get().is_open
    memory_engine.hands.calm(str(book.pk), "web")
    # It may end again any moment.
    assert state_after_a_round(memory_server, book) == Instance.State.DEGRADED
    pass_time(reconcile.QUIET_FOR)
    one_round(memory_server)
    book.refresh_from_db()
    assert (book.state, book.state_reason) == (Instance.State.RUNNING, "")
    assert not Incident.objects.get().is_open
    actions = AuditEvent.objects.filter(object_id=str(book.pk)).values_list("action", flat=True)
    assert {"instance.degraded", "instance.recovered"} <= set(actions)


def test_repairs_that_do_not_hold_come_ever_later_and_degrade_the_instance(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    rounds_with_a_repair = []
    for number in range(24):
        memory_engine.hands.kill(str(book.pk), "web", exit_code=7)
        one_round(memory_server)
        if number == 0:
            assert book.operations.filter(kind="repair", state="queued").exists()
        if work_all():
            rounds_with_a_repair.append(number)
        else:
            memory_engine.hands.start(str(book.pk), "web")
            book.refresh_from_db()
            if book.repairs >= repairs.ATTEMPTS:
                assert book.state == Instance.State.DEGRADED
                assert "exit code 7" in book.state_reason
                assert "the next attempt comes later" in book.drifts.first().done  # type: ignore[union-attr]
    gaps = [later - one for one, later in pairwise(rounds_with_a_repair)]
    assert rounds_with_a_repair[:2] == [0, 1]
    assert gaps == sorted(gaps)
    assert gaps[-1] >= 4
    assert Incident.objects.filter(kind="instance_degraded").exists()


def test_the_pauses_double_up_to_half_an_hour() -> None:
    seconds = [repairs.pause(number).total_seconds() for number in (1, 2, 3, 4, 9, 1000)]
    assert seconds == [10, 20, 40, 80, 1800, 1800]


def test_earlier_repairs_are_forgotten_once_it_was_well_for_long(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    memory_engine.hands.kill(str(book.pk), "web")
    one_round(memory_server)
    work_all()
    one_round(memory_server)
    book.refresh_from_db()
    assert book.repairs == 1
    pass_time(repairs.WELL_AGAIN_AFTER)
    one_round(memory_server)
    book.refresh_from_db()
    assert (book.repairs, book.repair_after) == (0, None)


def test_a_person_who_brings_it_up_starts_the_count_anew(
    book: Instance, memory_engine: MemoryEngine, work_off: WorkOff, actor: Actor
) -> None:
    """What they mended must not wait half an hour for its next repair."""
    Instance.objects.update(repairs=9, repair_after=timezone.now() + timedelta(minutes=30))
    instances.restart(instance=book, actor=actor)
    assert work_off(book).state == Operation.State.SUCCEEDED
    assert (book.repairs, book.repair_after) == (0, None)
