"""When the next nightly backup is made, as it is told: exactly when it is then asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from hosting.models import Backup, Instance, Server
from hosting.services.saving import nights

Order = Callable[..., Instance]
NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)  # the night after it, Berlin's clocks go forward
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def instance(order: Order, memory_server: Server) -> Instance:
    """One that runs for ten days."""
    instance = order()
    instance.state, instance.first_running_at = "running", NOON - timedelta(days=10)
    instance.save()
    return instance


@pytest.mark.parametrize("hours", range(0, 96, 7))
def test_it_is_due_from_that_moment_on(instance: Instance, hours: int) -> None:
    now = NOON + timedelta(hours=hours)
    last = nights.last_due_at(instance=instance, now=now)
    _tried(instance, last, is_proven=True)
    at = nights.next_at(instance=instance, now=now)
    assert at is not None
    assert now < at <= now + timedelta(hours=25)
    assert not list(nights.due(now=at - SECOND))
    assert list(nights.due(now=at)) == [instance]


def test_one_that_failed_is_tried_again_an_hour_after_it_was_asked_for(instance: Instance) -> None:
    _tried(instance, NOON, is_proven=False)
    at = nights.next_at(instance=instance, now=NOON + SECOND)
    assert at == NOON + HOUR
    assert not list(nights.due(now=at - SECOND))
    assert list(nights.due(now=at)) == [instance]


def test_one_that_was_missed_is_due_at_a_moment_that_is_past(instance: Instance) -> None:
    at = nights.next_at(instance=instance, now=NOON)
    assert at is not None
    assert at <= NOON
    assert list(nights.due(now=NOON)) == [instance]


def test_one_that_began_to_run_after_this_nights_moment_waits_for_the_next(
    instance: Instance,
) -> None:
    instance.first_running_at = NOON
    instance.save()
    at = nights.next_at(instance=instance, now=NOON + HOUR)
    assert at is not None
    assert at > NOON + HOUR
    assert not list(nights.due(now=at - SECOND))
    assert list(nights.due(now=at)) == [instance]


def test_none_is_made_of_what_never_ran_or_is_being_deleted(instance: Instance) -> None:
    instance.delete_requested_at = NOON
    assert nights.next_at(instance=instance, now=NOON) is None
    instance.delete_requested_at, instance.first_running_at = None, None
    assert nights.next_at(instance=instance, now=NOON) is None


def _tried(instance: Instance, at: datetime, *, is_proven: bool) -> None:
    Backup.objects.create(
        instance=instance,
        trigger=Backup.Trigger.NIGHTLY,
        created_at=at,
        taken_at=at,
        verified_at=at if is_proven else None,
        manifest={"format": 1},
    )
