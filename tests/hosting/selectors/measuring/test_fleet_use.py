"""The fleet at a glance: the ten of most, and when servers are full."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from hosting.models import Instance, ResourceNow, Server, UsageSum
from hosting.selectors.measuring import fleet_use

Order = Callable[..., Instance]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GIB = 1024**3


@pytest.fixture
def three(memory_server: Server, order: Order) -> list[Instance]:
    """Instances that use 100, 200 and 300 MB of their 512."""
    made = [order(f"book-{n}") for n in range(3)]
    for n, each in enumerate(made, start=1):
        ResourceNow.objects.create(
            instance=each,
            at=timezone.now(),
            cpu_cores=0.1 * n,
            memory_bytes=n * 100 * 1024**2,
            volume_bytes=GIB if n == 1 else None,
        )
    return made


def test_who_uses_most_of_its_plan_comes_first(three: list[Instance]) -> None:
    found = fleet_use.fleet_use(now=timezone.now())
    assert [each.instance for each in found.memory] == three[::-1]
    assert found.memory[0].share == pytest.approx(300 / 512)
    assert found.cpu[0].amount == pytest.approx(0.3)
    assert [(each.instance, each.share) for each in found.disk] == [(three[0], 0.2)]
    (use,) = found.servers
    assert (use.measured, use.used_memory_bytes) == (3, 600 * 1024**2)
    assert use.reserved_memory_bytes == 3 * 512 * 1024**2


def test_what_was_measured_long_ago_is_not_now(three: list[Instance]) -> None:
    ResourceNow.objects.update(at=timezone.now() - timedelta(hours=1))
    found = fleet_use.fleet_use(now=timezone.now())
    assert (found.cpu, found.memory) == ([], [])
    assert [each.instance for each in found.disk] == [three[0]]  # files stay where nothing runs


def test_failures_of_today_and_yesterday_count(three: list[Instance]) -> None:
    today = timezone.now().date()
    for instance, days, number in ((three[0], 0, 3), (three[0], 1, 4), (three[1], 9, 99)):
        UsageSum.objects.create(
            instance=instance,
            span="day",
            on=today - timedelta(days=days),
            meter="executions",
            label="failed",
            total=Decimal(number),
            count=1,
            maximum=1,
            latest_at=timezone.now(),
            computed_at=timezone.now(),
        )
    (worst,) = fleet_use.fleet_use(now=timezone.now()).errors
    assert (worst.instance, worst.amount) == (three[0], 7)


def test_the_forecast_goes_on_as_the_last_30_days(three: list[Instance]) -> None:
    now = timezone.now()
    memory = next(each for each in fleet_use.fleet_use(now=now).forecasts if each.what == "Memory")
    assert memory.daily == pytest.approx(3 * 512 * 1024**2 / 30)
    assert memory.free == (16 * 1024 - 3 * 512) * 1024**2
    assert memory.date == (now + timedelta(days=29 * 512 / (3 * 512 / 30))).date()


def test_deleted_instances_give_back(three: list[Instance]) -> None:
    Instance.objects.filter(pk=three[0].pk).update(
        state="deleted", deleted_at=timezone.now(), created_at=timezone.now() - timedelta(days=99)
    )
    memory = fleet_use.fleet_use(now=timezone.now()).forecasts[1]
    assert memory.daily == pytest.approx(512 * 1024**2 / 30)


def test_closed_servers_are_no_room(three: list[Instance]) -> None:
    Server.objects.update(availability="cordoned")
    assert fleet_use.fleet_use(now=timezone.now()).forecasts[0].capacity == 0


@pytest.mark.parametrize(
    ("free", "daily", "days"), [(100, 10, 10), (100, 0, None), (100, -1, None), (100, 0.1, None)]
)
def test_a_forecast_is_said_only_where_there_is_one(
    free: float, daily: float, days: int | None
) -> None:
    found = fleet_use.forecast("CPUs", free, 200, daily, NOW)
    assert found.date == (None if days is None else (NOW + timedelta(days=days)).date())


def test_where_nothing_is_left_it_is_today() -> None:
    assert fleet_use.forecast("CPUs", -1, 200, 0, NOW).date == NOW.date()
