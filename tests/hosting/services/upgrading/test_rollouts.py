"""A new version for all instances, wave by wave."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from django.utils import timezone

from hosting.engines import probe
from hosting.engines.errors import GiveUp
from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import RunResult
from hosting.flows.working import runner
from hosting.models import Backup, Instance, Operation, Rehearsal, Rollout, RolloutItem
from hosting.models.backup import FORMAT
from hosting.selectors.upgrading import rollouts as reading
from hosting.services.saving import backups
from hosting.services.upgrading import rollouts
from hosting.services.working import operations
from tenants.errors import Refused
from tenants.models import AuditEvent
from tenants.services.actors import Actor

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = pytest.mark.django_db(transaction=True)


NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NIGHT = NOON.replace(hour=3)
NAMES = ("one", "two", "three", "canary")


@pytest.fixture
def real_fleet(
    order: Order,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    backup_target: Path,
    actor: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> list[Instance]:
    """Four of the older version with a backup each; the last is a canary."""
    monkeypatch.setattr(probe, "http", lambda *_, **__: probe.Probe(200))
    memory_engine._read_command = lambda *_: [b"a dump"]
    memory_engine._run_command = lambda *_: RunResult(0, "7\n")
    made = [order(name) for name in NAMES]
    Instance.objects.update(version="1")
    for each in made:
        each.refresh_from_db()
        work_off(each)
        backups.request(instance=each, actor=actor)
        assert work_off(each).state == Operation.State.SUCCEEDED
    Instance.objects.filter(name="canary").update(ring=Instance.Ring.CANARY)
    return made


@pytest.fixture
def fleet(order: Order, memory_engine: MemoryEngine) -> list[Instance]:
    """The same, but for what the engine would have of them."""
    made = [order(name) for name in NAMES]
    Operation.objects.all().delete()
    now = timezone.now()
    Instance.objects.update(version="1", state="running", first_running_at=now)
    Instance.objects.filter(name="canary").update(ring=Instance.Ring.CANARY)
    for each in made:
        each.refresh_from_db()
        with transaction.atomic():
            _saved(each, now)
    return made


def _saved(instance: Instance, at: datetime) -> Backup:
    manifest = {
        "format": FORMAT,
        "app": instance.app,
        "version": instance.version,
        "definition": instance.definition,
        "images": {},
        "parts": [],
        "checks": {},
        "at_rest": False,
    }
    return Backup.objects.create(
        instance=instance,
        trigger="nightly",
        created_at=at,
        taken_at=at,
        verified_at=at,
        manifest=manifest,
    )


def _begin(actor: Actor, **said: Any) -> Rollout:
    wanted: dict[str, Any] = {
        "wave_size": 2,
        "pause": timedelta(hours=1),
        "in_window": False,
        **said,
    }
    return rollouts.begin(app="guestbook", version="2", actor=actor, **wanted)


def _go_on(rollout: Rollout, *, later: timedelta = timedelta(0)) -> dict[str, str]:
    """Work off what was asked for; each item's state then, by the instance's name."""
    rollouts.advance(rollout=rollout, now=timezone.now() + later)
    for operation in Operation.objects.filter(state=Operation.State.QUEUED):
        runner.run(operation.pk)
    rollout.refresh_from_db()
    items = rollout.items.select_related("instance")
    return {each.instance.name: each.state for each in items}


def test_canaries_come_first_and_waves_wait_for_each_other(
    real_fleet: list[Instance], actor: Actor
) -> None:
    rollout = _begin(actor)
    assert _go_on(rollout)["canary"] == "rehearsing"
    assert _go_on(rollout)["canary"] == "changing"
    seen = _go_on(rollout)
    assert seen == {"canary": "succeeded", "one": "waiting", "two": "waiting", "three": "waiting"}
    assert _go_on(rollout)["one"] == "waiting"  # the pause
    hour = timedelta(hours=1, minutes=1)
    seen = _go_on(rollout, later=hour)
    assert (seen["one"], seen["two"], seen["three"]) == ("rehearsing", "rehearsing", "waiting")
    _go_on(rollout, later=hour)
    _go_on(rollout, later=hour)
    for _ in range(4):
        seen = _go_on(rollout, later=2 * hour)
    assert set(seen.values()) == {"succeeded"}
    assert rollout.state == Rollout.State.SUCCEEDED
    assert set(Instance.objects.filter(purpose="client").values_list("version", flat=True)) == {"2"}


def test_it_stops_itself_when_a_rehearsal_fails(
    real_fleet: list[Instance], actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = _begin(actor)
    monkeypatch.setattr(probe, "http", lambda *_, **__: probe.Probe(500))
    monkeypatch.setattr("hosting.flows.base.Work.wait_until", _give_up)
    _go_on(rollout)
    seen = _go_on(rollout)
    assert seen == {"canary": "failed", "one": "skipped", "two": "skipped", "three": "skipped"}
    assert (rollout.state, rollout.reason) == ("stopped", "Stopped by itself: 1 instance failed.")
    assert set(Instance.objects.filter(purpose="client").values_list("version", flat=True)) == {"1"}


def _give_up(_work: object, condition: Callable[[], bool], *, why: str) -> None:
    if not condition():
        raise GiveUp(why)


def test_one_that_has_opted_out_is_not_reached_nor_one_outside_its_hours(
    fleet: list[Instance], actor: Actor
) -> None:
    Instance.objects.filter(name="one").update(ring=Instance.Ring.NEVER)
    rollout = _begin(actor, in_window=True)
    assert set(rollout.items.values_list("instance__name", flat=True)) == {
        "canary",
        "two",
        "three",
    }
    rollouts.advance(rollout=rollout, now=NOON)
    assert not rollout.items.exclude(state=RolloutItem.State.WAITING).exists()
    rollouts.advance(rollout=rollout, now=NIGHT)
    assert rollout.items.get(instance__name="canary").state == RolloutItem.State.REHEARSING


def test_hours_may_go_over_midnight(fleet: list[Instance]) -> None:
    instance = fleet[0]
    instance.changes_from, instance.changes_until = time(22), time(2)
    for hour, is_in in ((21, False), (22, True), (1, True), (2, False)):
        now = datetime(2026, 11, 21, hour, tzinfo=ZoneInfo("Europe/Berlin"))
        assert reading.is_in_window(instance, now=now) == is_in


def test_what_makes_no_sense_is_refused(fleet: list[Instance], actor: Actor) -> None:
    with pytest.raises(Refused, match="is another"):
        rollouts.begin(app="guestbook", version="1", actor=actor)
    _begin(actor)
    with pytest.raises(Refused, match="has not ended yet"):
        _begin(actor)
    assert Rollout.objects.count() == 1


def test_a_change_waits_for_its_hours_too(fleet: list[Instance], actor: Actor) -> None:
    rollout = _begin(actor, in_window=True)
    canary = _rehearsed(rollout)
    rollouts.advance(rollout=rollout, now=NOON)
    assert _now(canary) == ("rehearsing", "")
    rollouts.advance(rollout=rollout, now=NIGHT)
    assert _now(canary) == ("changing", "")


def test_a_change_waits_until_nothing_else_is_done(fleet: list[Instance], actor: Actor) -> None:
    rollout = _begin(actor)
    canary = _rehearsed(rollout)
    with transaction.atomic():
        busy = operations.request(instance=canary.instance, kind="restart", actor=actor)
    rollouts.advance(rollout=rollout, now=NIGHT)
    assert _now(canary) == ("rehearsing", "")
    _end(busy, "succeeded")
    rollouts.advance(rollout=rollout, now=NIGHT)
    assert _now(canary) == ("changing", "")


def test_one_that_opts_out_after_its_rehearsal_is_left_alone(
    fleet: list[Instance], actor: Actor
) -> None:
    rollout = _begin(actor)
    canary = _rehearsed(rollout)
    Instance.objects.filter(pk=canary.instance_id).update(ring=Instance.Ring.NEVER)
    rollouts.advance(rollout=rollout, now=NIGHT)
    assert _now(canary) == ("skipped", "It has opted out.")


def test_what_is_being_changed_when_it_is_stopped_comes_to_its_own_end(
    fleet: list[Instance], actor: Actor
) -> None:
    rollout = _begin(actor)
    canary = _rehearsed(rollout)
    rollouts.advance(rollout=rollout, now=NIGHT)
    rollouts.stop(rollout=rollout, actor=actor)
    assert _now(canary) == ("changing", "")
    assert set(rollout.items.exclude(pk=canary.pk).values_list("state", flat=True)) == {"skipped"}
    canary.refresh_from_db()
    assert canary.operation is not None
    _end(canary.operation, "failed", reason="web ended")
    rollouts.advance_all(now=NIGHT)
    assert _now(canary) == ("failed", "web ended")
    with pytest.raises(Refused, match="has ended already"):
        rollouts.stop(rollout=rollout, actor=actor)


def test_failures_that_are_accepted_stop_nothing(fleet: list[Instance], actor: Actor) -> None:
    rollout = _begin(actor, most_failures=1, pause=timedelta(0))
    canary = _rehearsed(rollout, passed=False)
    rollouts.advance(rollout=rollout, now=NIGHT)
    assert _now(canary) == ("failed", "The rehearsal did not go well: web ended")
    assert rollout.items.filter(wave=1, state="rehearsing").count() == 2
    Rehearsal.objects.filter(passed=None).update(
        passed=False, reason="web ended", ended_at=timezone.now()
    )
    rollouts.advance(rollout=rollout, now=NIGHT)
    rollout.refresh_from_db()
    assert (rollout.state, rollout.reason) == ("stopped", "Stopped by itself: 3 instances failed.")


def _rehearsed(rollout: Rollout, *, passed: bool = True) -> RolloutItem:
    """Its canary, once the rehearsal has ended so."""
    rollouts.advance(rollout=rollout, now=NIGHT)
    canary = rollout.items.get(wave=0)
    assert canary.rehearsal is not None
    reason = "" if passed else "web ended"
    Rehearsal.objects.filter(pk=canary.rehearsal.pk).update(
        passed=passed, seconds=1.0, reason=reason, ended_at=timezone.now()
    )
    return canary


def _now(item: RolloutItem) -> tuple[str, str]:
    item.refresh_from_db()
    return item.state, item.reason


def _end(operation: Operation, state: str, reason: str = "") -> None:
    operation.state, operation.reason, operation.finished_at = state, reason, timezone.now()
    operation.save()


def test_one_that_is_paused_by_hand_begins_nothing_until_it_is_resumed(
    real_fleet: list[Instance], actor: Actor
) -> None:
    rollout = _begin(actor, pause=timedelta(0))
    assert _go_on(rollout)["canary"] == "rehearsing"
    rollouts.pause(rollout=rollout, actor=actor)
    for _ in range(3):
        assert _go_on(rollout) == {**dict.fromkeys(NAMES, "waiting"), "canary": "rehearsing"}
    rehearsal = rollout.items.get(instance__name="canary").rehearsal
    assert rehearsal is not None
    assert rehearsal.passed, "what was begun has ended"
    with pytest.raises(Refused, match="paused already"):
        rollouts.pause(rollout=rollout, actor=actor)
    rollouts.resume(rollout=rollout, actor=actor)
    with pytest.raises(Refused, match="is not paused"):
        rollouts.resume(rollout=rollout, actor=actor)
    for _ in range(8):
        states = _go_on(rollout)
    assert states == dict.fromkeys(NAMES, "succeeded")
    assert rollout.state == Rollout.State.SUCCEEDED
    told = AuditEvent.objects.filter(action__in=("rollout.paused", "rollout.resumed"))
    assert [each.action for each in told.order_by("sequence")] == [
        "rollout.paused",
        "rollout.resumed",
    ]


def test_one_that_is_paused_can_be_stopped_and_stops_itself(
    fleet: list[Instance], actor: Actor
) -> None:
    rollout = _begin(actor)
    rollouts.pause(rollout=rollout, actor=actor)
    rollout.items.filter(instance=fleet[0]).update(state="failed")
    rollouts.advance(rollout=rollout, now=timezone.now())
    rollout.refresh_from_db()
    assert (rollout.state, rollout.is_held) == ("stopped", False)
    for verb in (rollouts.pause, rollouts.resume):
        with pytest.raises(Refused, match="has ended already"):
            verb(rollout=rollout, actor=actor)
    second = _begin(actor)
    rollouts.pause(rollout=second, actor=actor)
    rollouts.stop(rollout=second, actor=actor)
    second.refresh_from_db()
    assert second.state == "stopped"
