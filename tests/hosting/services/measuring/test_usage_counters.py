"""Counters of apps: what they gained is counted, once, and over their restarts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from hosting.models import Instance, Server, UsageEvent
from hosting.services.measuring import usage_counters
from hosting.services.measuring.usage_counters import Reading

Read = Callable[..., int]


@pytest.fixture
def book(order: Callable[..., Instance], memory_server: Server) -> Instance:
    return order()


@pytest.fixture
def read(book: Instance) -> Read:
    """Read that a counter of executions stands at that value, so many minutes after the first."""
    first = timezone.now()

    def record(
        value: float,
        minute: int,
        series: str = "runs",
        label: str = "success",
        started: float | None = None,
    ) -> int:
        reading = Reading(
            series=series, meter="executions", label=label, value=value, started=started
        )
        at: datetime = first + timedelta(minutes=minute)
        return usage_counters.record(instance=book, readings=[reading], read_at=at)

    return record


def gained() -> list[float]:
    return list(UsageEvent.objects.order_by("at").values_list("amount", flat=True))


def test_what_it_gained_is_counted(read: Read) -> None:
    for minute, value in enumerate((5, 5, 12)):
        read(value, minute)
    assert gained() == [5, 7]


def test_a_counter_that_began_anew_lost_nothing_since(read: Read) -> None:
    for minute, value in enumerate((5, 12, 3, 4)):
        read(value, minute)
    assert gained() == [5, 7, 3, 1]


def test_one_of_another_process_lost_nothing_though_it_stands_higher(read: Read) -> None:
    for minute, (value, started) in enumerate(((5, 1000), (12, 1000), (14, 2000), (15, 2000))):
        read(value, minute, started=started)
    assert gained() == [5, 7, 14, 1]


def test_what_has_not_changed_is_not_written(
    read: Read, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    read(5, 0)
    with django_assert_num_queries(4):  # a savepoint, its end, the instance, its counters
        read(5, 1)


def test_a_reading_that_comes_late_or_twice_is_let_be(read: Read) -> None:
    read(5, 0)
    read(12, 2)
    assert read(9, 1) == 0
    assert read(12, 2) == 0
    read(13, 3)
    assert gained() == [5, 7, 1]


def test_series_are_counted_apart(read: Read) -> None:
    read(5, 0)
    read(2, 0, series="lost", label="failed")
    read(6, 1)
    found = UsageEvent.objects.order_by("at", "label").values_list("label", "amount")
    assert list(found) == [("failed", 2), ("success", 5), ("success", 1)]
