"""Warnings of limits: what opens and closes them, what they say, and the plan that would help."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hosting.models import (
    Crash,
    Instance,
    LimitWarning,
    Notification,
    Plan,
    ResourceDay,
    ResourceNow,
    ResourceQuarter,
    Server,
)
from hosting.selectors.measuring import limits
from hosting.services.measuring import limit_warnings

pytestmark = pytest.mark.django_db
Order = Callable[..., Instance]
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
GIB = 1024**3
NOTHING = dict.fromkeys(
    (
        "cpu_seconds",
        "cpu_max",
        "cpu_periods",
        "throttled_periods",
        "throttled_seconds",
        "network_received_bytes",
        "network_sent_bytes",
        "disk_read_bytes",
        "disk_written_bytes",
    ),
    0,
)


@pytest.fixture(autouse=True)
def larger(small: Plan) -> Plan:
    """Beside the small plan (1 CPU, 512 MiB, 5 GiB): one twice that, one four times."""
    for factor, name in ((2, "Medium"), (4, "Large")):
        Plan.objects.create(
            slug=name.lower(),
            name=name,
            cpus=small.cpus * factor,
            memory_mb=small.memory_mb * factor,
            disk_gb=small.disk_gb * factor,
            processes=small.processes,
        )
    return Plan.objects.get(slug="medium")


@pytest.fixture
def book(order: Order, memory_server: Server) -> Instance:
    return _running(order("book"))


def _running(instance: Instance) -> Instance:
    Instance.objects.filter(pk=instance.pk).update(state=Instance.State.RUNNING)
    return instance


def _hour(instance: Instance, until: datetime = NOON, **values: Any) -> None:
    """The four quarters before that moment."""
    for number in range(1, 5):
        row = {**NOTHING, "seconds": 900, **values}
        ResourceQuarter.objects.update_or_create(
            instance=instance, at=until - number * QUARTER, defaults=row
        )


def _watch(at: datetime = NOON) -> list[LimitWarning]:
    """Those that are open then."""
    limit_warnings.watch(now=at)
    return list(LimitWarning.objects.filter(closed_at=None).order_by("kind"))


def _kinds(at: datetime = NOON) -> list[str]:
    return [each.kind for each in _watch(at)]


def test_memory_that_is_nearly_full_is_one_warning_that_names_a_plan(
    book: Instance, larger: Plan
) -> None:
    _hour(book, memory_fullest=0.93)
    (warning,) = _watch()
    assert warning.kind == "memory"
    assert "93%" in warning.summary
    assert warning.plan == larger
    assert _watch() == [warning]
    assert LimitWarning.objects.count() == 1


@pytest.mark.parametrize(
    ("kind", "values", "stays", "closes"),
    [
        ("memory", {"memory_fullest": 0.9}, {"memory_fullest": 0.8}, {"memory_fullest": 0.79}),
        (
            "cpu",
            {"cpu_periods": 100, "throttled_periods": 25},
            {"cpu_periods": 100, "throttled_periods": 10},
            {"cpu_periods": 100, "throttled_periods": 9},
        ),
    ],
)
def test_it_opens_higher_than_it_closes(
    book: Instance,
    kind: str,
    values: dict[str, Any],
    stays: dict[str, Any],
    closes: dict[str, Any],
) -> None:
    _hour(book, **stays)
    assert _kinds() == []
    _hour(book, **values)
    assert _kinds() == [kind]
    _hour(book, **stays)
    assert _kinds() == [kind]
    _hour(book, **closes)
    assert _kinds() == []
    assert LimitWarning.objects.get().closed_at == NOON


def test_the_client_is_told_once_of_each_and_once_that_it_is_over(
    book: Instance, larger: Plan
) -> None:
    _hour(book, memory_fullest=0.93)
    (warning,) = _watch()
    _watch()
    told = Notification.objects.get()
    assert (told.client, told.instance, told.topic) == (book.client, book, "usage")
    assert told.title == "book: Memory nearly full"
    assert told.text == f"{warning.summary} The plan {larger} would be enough."
    _hour(book, memory_fullest=0.5)
    _watch()
    _watch()
    over = Notification.objects.get(is_over=True)
    assert over.key == told.key
    assert over.title == "Over: book: Memory nearly full"


def test_where_nothing_is_measured_what_is_open_stays_open(book: Instance) -> None:
    _hour(book, memory_fullest=0.95)
    assert _kinds() == ["memory"]
    assert _kinds(NOON + timedelta(days=1)) == ["memory"]


def test_an_instance_that_is_stopped_is_warned_of_nothing(book: Instance) -> None:
    _hour(book, memory_fullest=0.95)
    assert _kinds() == ["memory"]
    Instance.objects.update(state=Instance.State.STOPPED)
    assert _kinds() == []


def _filled(instance: Instance, *sizes: float) -> None:
    """So many GiB on each of the days up to today."""
    today = NOON.date()
    for ago, size in enumerate(reversed(sizes)):
        ResourceDay.objects.create(
            instance=instance,
            date=today - timedelta(days=ago),
            volume_bytes=int(size * GIB),
            seconds=86400,
            **NOTHING,
        )
    ResourceNow.objects.create(instance=instance, volume_bytes=int(sizes[-1] * GIB), volume_at=NOON)


def test_a_disk_that_fills_says_on_which_day_it_is_full(book: Instance, larger: Plan) -> None:
    _filled(book, *(2.5 + 0.1 * day for day in range(16)))  # 4.0 of 5 GiB, 0.1 a day
    (warning,) = _watch()
    assert warning.full_date == NOON.date() + timedelta(days=10)
    assert "20 March 2026" in warning.summary
    assert warning.plan is not None
    assert warning.plan.slug == "large"  # medium would be full within 90 days


def test_one_large_import_is_no_trend(book: Instance) -> None:
    _filled(book, *(3.0 for _ in range(11)), *(4.0 for _ in range(4)))
    assert _kinds() == []


def test_a_nearly_full_disk_is_warned_of_without_a_trend(book: Instance) -> None:
    _filled(book, 4.3)
    (warning,) = _watch()
    assert (warning.kind, warning.full_date) == ("disk", None)
    assert "Its files take 4.3 GiB of the 5 GiB of its plan" in warning.summary


def test_crashes_are_warned_of_and_forgotten(book: Instance) -> None:
    for minute in (10, 20, 30):
        at = NOON - timedelta(minutes=minute)
        Crash.objects.create(instance=book, service="web", kind=Crash.Kind.ENDED, at=at)
    Crash.objects.create(
        instance=book, service="db", kind=Crash.Kind.OUT_OF_MEMORY, at=NOON - QUARTER
    )
    out_of_memory, restarts = _watch()
    assert "3 times within an hour" in restarts.summary
    assert restarts.plan is None
    assert "was not want of memory, so a larger plan would not help" in restarts.summary
    assert out_of_memory.plan is not None
    assert "db" in out_of_memory.summary
    assert _kinds(NOON + timedelta(hours=2)) == ["out_of_memory"]
    assert _kinds(NOON + timedelta(hours=26)) == []


def _ends(instance: Instance, service: str, *, times: int, starved: bool) -> None:
    for minute in range(times):
        at = NOON - timedelta(minutes=10 * minute)
        Crash.objects.create(instance=instance, service=service, kind=Crash.Kind.ENDED, at=at)
        if starved:
            kind = Crash.Kind.OUT_OF_MEMORY
            Crash.objects.create(instance=instance, service=service, kind=kind, at=at)


def test_restarts_for_want_of_memory_name_the_plan_that_has_more(
    book: Instance, larger: Plan
) -> None:
    _ends(book, "worker", times=3, starved=True)
    restarts = next(each for each in _watch() if each.kind == "restarts")
    assert restarts.plan == larger
    assert "The cause was want of memory (worker)." in restarts.summary
    assert "would not help" not in restarts.summary


def test_restarts_of_several_say_which_memory_would_help(book: Instance, larger: Plan) -> None:
    _ends(book, "worker", times=2, starved=True)
    _ends(book, "web", times=2, starved=False)
    restarts = next(each for each in _watch() if each.kind == "restarts")
    assert "4 times within an hour (web, worker)" in restarts.summary
    assert "The cause was want of memory (worker)." in restarts.summary
    assert "The cause of web was not want of memory" in restarts.summary
    assert restarts.plan == larger


def test_the_smallest_offered_plan_that_lacks_nothing_helps(small: Plan, larger: Plan) -> None:
    offered = list(Plan.objects.all())
    assert limits.helping(small, offered, memory_mb=600) == larger
    assert limits.helping(small, offered, memory_mb=5000) is None
    larger.cpus = Decimal("0.5")  # more memory, less of something else
    others = [larger, *(each for each in offered if each != larger)]
    helping = limits.helping(small, others, memory_mb=600)
    assert helping is not None
    assert helping.slug == "large"


def test_the_queries_do_not_grow_with_the_instances(order: Order, memory_server: Server) -> None:
    counts = []
    for number in range(1, 4):
        each = _running(order(f"book-{number}"))
        _hour(each, memory_fullest=0.95)
        _filled(each, 4.5)
        limit_warnings.watch(now=NOON)
        LimitWarning.objects.update(summary="")
        with CaptureQueriesContext(connection) as queries:
            limit_warnings.watch(now=NOON)
        counts.append(len(queries))
    assert len(set(counts)) == 1
