"""Roll-ups of readings in disorder: never is what a container used since its start counted twice.

Containers here have used a hundred hours of CPU, so that counting one from zero would show.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hosting.models import Instance, ResourceQuarter, Server
from hosting.services.measuring import rollups, samples
from tests.hosting.metered import reading, record, steady

pytestmark = pytest.mark.django_db
Order = Callable[..., Instance]
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
LONG = 360_000.0  # seconds of CPU


@pytest.fixture
def book(order: Order, memory_server: Server) -> Instance:
    return order("book")


def _used() -> tuple[float, float]:
    """Of all quarters together: seconds of CPU, and the most cores between two readings."""
    rollups.roll_up(now=NOON + timedelta(hours=2))
    quarters = ResourceQuarter.objects.all()
    return sum(each.cpu_seconds for each in quarters), max(each.cpu_max for each in quarters)


def test_a_round_that_another_overtook_is_no_restart(book: Instance) -> None:
    record(
        book,
        reading(NOON, cpu=LONG),
        reading(NOON + 18 * SECOND, cpu=LONG + 9),
        reading(NOON + 20 * SECOND, cpu=LONG + 5),  # was asked first, and answered last
        reading(NOON + 35 * SECOND, cpu=LONG + 17.5),
    )
    seconds, most = _used()
    assert seconds == pytest.approx(9 + 12.5)
    assert most < 1


def test_a_clock_that_was_set_back_makes_no_restart(book: Instance) -> None:
    ahead = list(steady(NOON, NOON + 2 * MINUTE, cores=0.5, start=LONG))
    set_back = steady(NOON + 97 * SECOND, NOON + 4 * MINUTE, cores=0.5, start=LONG + 67.5)
    record(book, *ahead, *set_back)
    seconds, _ = _used()
    assert 120 <= seconds < 240


@pytest.mark.parametrize("before", [20.0, LONG])
@pytest.mark.parametrize("missing", [1, 10])
def test_a_service_that_was_not_read_at_a_boundary_is_compared_with_its_last_reading(
    book: Instance, before: float, missing: int
) -> None:
    """Neither counted from zero, however little it has used, nor is anything of it left out."""
    for number in range(-6, 16):
        at = NOON + number * 15 * SECOND - SECOND
        usages = [reading(at, cpu=before + number, service="web")]
        if not 0 <= number < missing:  # the first of them is the last of its quarter
            db = reading(at, cpu=before + number, service="db", disk_read_bytes=9**9)
            usages.append(replace(db, container_id="b"))
        samples.record(server=book.server, usages={str(book.pk): tuple(usages)}, now=at)
    seconds, most = _used()
    assert seconds == pytest.approx(21 + 21)
    assert most <= (missing + 2) / 15
    assert not any(each.disk_read_bytes for each in ResourceQuarter.objects.all())


def test_an_interface_or_a_device_that_goes_takes_only_its_own_counter_along(
    book: Instance,
) -> None:
    record(
        book,
        reading(NOON, cpu=LONG, network_sent_bytes=9_000, disk_read_bytes=9_000),
        reading(NOON + 15 * SECOND, cpu=LONG + 3, network_sent_bytes=500, disk_read_bytes=9_500),
        reading(NOON + 30 * SECOND, cpu=LONG + 6, network_sent_bytes=600, disk_read_bytes=9_600),
    )
    seconds, most = _used()
    assert (seconds, most) == pytest.approx((6, 0.2))
    quarter = ResourceQuarter.objects.get()
    assert (quarter.network_sent_bytes, quarter.disk_read_bytes) == (100, 600)


def test_a_container_that_comes_back_in_place_of_a_new_one_has_used_nothing_before(
    book: Instance,
) -> None:
    record(
        book,
        reading(NOON, cpu=LONG),
        reading(NOON + 15 * SECOND, cpu=4, container_id="new"),
        reading(NOON + 30 * SECOND, cpu=LONG + 2),
        reading(NOON + 45 * SECOND, cpu=LONG + 5),
    )
    seconds, most = _used()
    assert seconds == pytest.approx(4 + 3)
    assert most < 1
