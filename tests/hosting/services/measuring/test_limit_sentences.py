"""What warnings of limits say to clients is true, of what happened to which service."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from hosting.models import Crash, Instance, LimitWarning, Plan, ResourceNow, ResourceQuarter, Server
from hosting.services.measuring import limit_warnings, rollups
from tests.hosting.metered import reading, record

pytestmark = pytest.mark.django_db
Order = Callable[..., Instance]
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
GIB = 1024**3
NOTHING = {
    field.name: 0
    for field in ResourceQuarter._meta.concrete_fields
    if field.name not in ("instance", "at") and not field.null
}


@pytest.fixture
def book(order: Order, memory_server: Server) -> Instance:
    instance = order("book")
    Instance.objects.filter(pk=instance.pk).update(state=Instance.State.RUNNING)
    return instance


def _watch(at: datetime = NOON) -> dict[str, str]:
    """What is said, by kind."""
    limit_warnings.watch(now=at)
    return dict(LimitWarning.objects.filter(closed_at=None).values_list("kind", "summary"))


def _quarter(instance: Instance, at: datetime, **values: float) -> None:
    ResourceQuarter.objects.create(instance=instance, at=at, **{**NOTHING, **values})


def _crash(instance: Instance, service: str, kind: Crash.Kind, at: datetime) -> None:
    Crash.objects.create(instance=instance, service=service, kind=kind, at=at)


def test_only_what_ran_out_of_memory_is_said_to_have(book: Instance) -> None:
    _crash(book, "web", Crash.Kind.ENDED, NOON - QUARTER)
    _crash(book, "db", Crash.Kind.OUT_OF_MEMORY, NOON - QUARTER)
    assert _watch()["out_of_memory"].startswith("Ran out of memory within the last day (db): ")


def test_what_ran_out_of_memory_some_hours_ago_is_still_named(book: Instance) -> None:
    _crash(book, "db", Crash.Kind.OUT_OF_MEMORY, NOON - QUARTER)
    _watch()
    assert "(db)" in _watch(NOON + timedelta(hours=5))["out_of_memory"]


@pytest.mark.parametrize(("later", "said"), [(0, "3 times"), (15, "twice"), (25, "once")])
def test_a_few_restarts_are_counted_in_words(book: Instance, later: int, said: str) -> None:
    for minutes in (50, 40, 30):
        _crash(book, "web", Crash.Kind.ENDED, NOON - timedelta(minutes=minutes))
    _watch()
    summary = _watch(NOON + timedelta(minutes=later))["restarts"]
    assert f"Ended by itself {said} within an hour (web)" in summary


def test_memory_that_was_full_in_one_quarter_alone_is_not_said_to_have_been_in_two(
    book: Instance,
) -> None:
    _quarter(book, NOON - QUARTER, memory_fullest=0.97)
    assert _watch() == {}
    _quarter(book, NOON - 2 * QUARTER, memory_fullest=0.95)
    assert "came to 95% of what it may use" in _watch()["memory"]


def test_one_that_has_nothing_to_do_any_more_is_held_back_no_more(book: Instance) -> None:
    for number in range(1, 5):
        _quarter(book, NOON - number * QUARTER, cpu_periods=100, throttled_periods=50)
    assert "for 50% of the time in which it had something to do" in _watch()["cpu"]
    later = NOON + timedelta(hours=2)
    for number in range(1, 5):
        _quarter(book, later - number * QUARTER)
    assert _watch(later) == {}


def test_where_no_limit_is_known_nothing_is_near_one(book: Instance) -> None:
    at = NOON - 4 * QUARTER
    while at <= NOON:
        record(book, reading(at, cpu=0, memory=GIB, memory_limit_bytes=None))
        at += timedelta(seconds=15)
    rollups.roll_up(now=NOON)
    assert {each.memory_fullest for each in ResourceQuarter.objects.all()} == {None}
    assert _watch() == {}


def test_files_beyond_the_plan_are_said_to_be_beyond_it(book: Instance, small: Plan) -> None:
    for size, said in ((4.5, "4.5 GiB of the 5 GiB of"), (6, "6.0 GiB, more than the 5 GiB of")):
        ResourceNow.objects.update_or_create(
            instance=book, defaults={"volume_bytes": int(size * GIB), "volume_at": NOON}
        )
        assert said in _watch()["disk"]
    assert "nothing can be saved" not in _watch()["disk"]
