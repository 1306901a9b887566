"""From readings to quarters and days: resets, gaps, late readings, time zones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from hosting.models import (
    DirtyQuarter,
    Instance,
    ResourceDay,
    ResourceNow,
    ResourceQuarter,
    Sample,
    Server,
)
from hosting.services.measuring import rollups, samples
from tests.hosting.metered import MB, reading, record, steady
from tests.tenants.threads import at_once

pytestmark = pytest.mark.django_db
Order = Callable[..., Instance]
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def book(order: Order, memory_server: Server) -> Instance:
    return order("book")


def _quarters(instance: Instance) -> list[ResourceQuarter]:
    return list(ResourceQuarter.objects.filter(instance=instance).order_by("at"))


def _cpu(instance: Instance) -> float:
    return sum(each.cpu_seconds for each in _quarters(instance))


def test_a_steady_hour_is_four_equal_quarters(book: Instance) -> None:
    record(book, *steady(NOON, NOON + HOUR, cores=0.5))
    rollups.roll_up(now=NOON + 2 * HOUR)
    quarters = _quarters(book)
    assert [each.at for each in quarters] == [NOON + n * 15 * MINUTE for n in range(4)]
    assert {each.seconds for each in quarters} == {900}
    assert [each.cpu_seconds for each in quarters] == pytest.approx([450] * 4)
    assert [each.cpu_max for each in quarters] == pytest.approx([0.5] * 4)
    assert {each.memory_bytes for each in quarters} == {100 * MB}
    assert {each.memory_fullest for each in quarters} == {0.5}
    assert not DirtyQuarter.objects.exists()


def test_what_lies_across_a_boundary_is_shared_by_time(book: Instance) -> None:
    record(
        book,
        reading(NOON - 10 * SECOND, cpu=100, network_sent_bytes=0),
        reading(NOON + 5 * SECOND, cpu=115, network_sent_bytes=300),
    )
    rollups.roll_up(now=NOON + HOUR)
    before, after = _quarters(book)
    assert (before.cpu_seconds, after.cpu_seconds) == pytest.approx((10, 5))
    assert (before.network_sent_bytes, after.network_sent_bytes) == (200, 100)


def test_a_counter_that_fell_counts_from_zero(book: Instance) -> None:
    record(
        book,
        reading(NOON, cpu=1000),
        reading(NOON + 15 * SECOND, cpu=1010),
        reading(NOON + 30 * SECOND, cpu=4),
        reading(NOON + 45 * SECOND, cpu=5),
    )
    rollups.roll_up(now=NOON + HOUR)
    assert _cpu(book) == pytest.approx(10 + 4 + 1)


def test_another_container_counts_from_zero_though_its_counter_is_higher(book: Instance) -> None:
    record(
        book,
        reading(NOON, cpu=10),
        reading(NOON + 15 * SECOND, cpu=12, container_id="b"),
    )
    rollups.roll_up(now=NOON + HOUR)
    assert _cpu(book) == pytest.approx(12)


def test_a_service_that_was_away_and_one_that_is_new_count_right(book: Instance) -> None:
    def round_at(seconds: int, **cpu: float) -> None:
        at = NOON + seconds * SECOND
        usages = tuple(
            reading(at, cpu=each, service=name, container_id=name) for name, each in cpu.items()
        )
        samples.record(server=book.server, usages={str(book.pk): usages}, now=at)

    round_at(0, web=50)
    round_at(15, web=51, worker=3)  # the worker began after the reading before
    round_at(30, worker=4)
    round_at(45, web=53, worker=5)
    rollups.roll_up(now=NOON + HOUR)
    assert _cpu(book) == pytest.approx((1 + 3) + 1 + (2 + 1))


def test_gauges_are_weighted_by_time(book: Instance) -> None:
    record(
        book,
        reading(NOON, memory=0),
        reading(NOON + 30 * SECOND, memory=100 * MB),
        reading(NOON + 40 * SECOND, memory=20 * MB),
    )
    rollups.roll_up(now=NOON + HOUR)
    (quarter,) = _quarters(book)
    assert quarter.memory_bytes == (30 * 100 + 10 * 20) * MB / 40
    assert quarter.memory_max_bytes == 100 * MB


def test_a_gap_is_shared_by_the_quarters_in_it_and_says_nothing_of_memory(book: Instance) -> None:
    record(book, reading(NOON + 10 * MINUTE, cpu=0), reading(NOON + 40 * MINUTE, cpu=1800))
    rollups.roll_up(now=NOON + 2 * HOUR)
    quarters = _quarters(book)
    assert [each.cpu_seconds for each in quarters] == pytest.approx([300, 900, 600])
    assert [each.memory_bytes for each in quarters] == [None, None, 100 * MB]


def test_a_gap_that_ends_after_its_quarters_were_rolled_up_is_shared_all_the_same(
    book: Instance,
) -> None:
    record(book, *steady(NOON, NOON + 5 * MINUTE, cores=1))
    rollups.roll_up(now=NOON + 30 * MINUTE)
    record(book, reading(NOON + 35 * MINUTE, cpu=300 + 1800))
    rollups.roll_up(now=NOON + HOUR)
    assert [each.cpu_seconds for each in _quarters(book)] == pytest.approx([900, 900, 300])


def test_late_readings_come_right_in_their_quarter_and_the_ones_beside_it(book: Instance) -> None:
    on_time = list(steady(NOON, NOON + 45 * MINUTE, cores=1))
    late = [each for each in on_time if 13 <= (each.read_at - NOON) / MINUTE <= 31]
    record(book, *(each for each in on_time if each not in late))
    rollups.roll_up(now=NOON + HOUR)
    assert _cpu(book) == pytest.approx(2700)
    assert [each.memory_bytes for each in _quarters(book)][1] is None
    record(book, *reversed(late), now=NOON + HOUR)
    rollups.roll_up(now=NOON + HOUR)
    quarters = _quarters(book)
    assert [each.cpu_seconds for each in quarters] == pytest.approx([900] * 3)
    assert [each.memory_bytes for each in quarters] == [100 * MB] * 3


@pytest.mark.django_db(transaction=True)
def test_a_late_reading_is_not_lost_to_a_roll_up_at_the_same_time(
    order: Order, memory_server: Server
) -> None:
    book = order("book")
    on_time = list(steady(NOON, NOON + 10 * MINUTE, cores=1))
    record(book, *on_time[::2])
    with transaction.atomic():
        record(book, *on_time[1::2], reading(NOON + 12 * MINUTE, cpu=720), now=NOON + HOUR)
        at_once(partial(rollups.roll_up, now=NOON + HOUR))[0].result()
    rollups.roll_up(now=NOON + HOUR)
    assert _cpu(book) == pytest.approx(720)
    assert not DirtyQuarter.objects.exists()


def test_rolling_up_again_and_reading_again_change_nothing(book: Instance) -> None:
    readings = list(steady(NOON, NOON + HOUR, cores=0.25))
    record(book, *readings)
    rollups.roll_up(now=NOON + 2 * HOUR)
    first = list(ResourceQuarter.objects.order_by("at").values())
    record(book, *readings)
    assert not DirtyQuarter.objects.exists()
    DirtyQuarter.objects.create(instance=book, at=NOON)
    assert rollups.roll_up(now=NOON + 2 * HOUR) == 1
    assert list(ResourceQuarter.objects.order_by("at").values()) == first


def test_a_quarter_under_way_is_known_so_far_and_stays_dirty(book: Instance) -> None:
    record(book, *steady(NOON, NOON + 5 * MINUTE, cores=1))
    rollups.roll_up(now=NOON + 5 * MINUTE)
    assert _cpu(book) == pytest.approx(300)
    assert DirtyQuarter.objects.count() == 1


def test_what_is_dirty_and_has_no_readings_any_more_stays_as_it_was(book: Instance) -> None:
    record(book, *steady(NOON, NOON + HOUR, cores=1))
    rollups.roll_up(now=NOON + 2 * HOUR)
    Sample.objects.all().delete()
    DirtyQuarter.objects.create(instance=book, at=NOON)
    rollups.roll_up(now=NOON + timedelta(days=9))
    assert _cpu(book) == pytest.approx(3600)
    assert not DirtyQuarter.objects.exists()


def test_volumes_count_in_the_quarter_after_they_were_measured(book: Instance) -> None:
    samples.record_volumes(sizes={str(book.pk): 5 * MB}, at=NOON + MINUTE)
    record(book, *steady(NOON, NOON + HOUR, cores=0))
    rollups.roll_up(now=NOON + 2 * HOUR)
    assert [each.volume_bytes for each in _quarters(book)] == [5 * MB] * 4


@pytest.mark.parametrize(
    ("zone", "first", "hours"),
    [
        ("Europe/Berlin", datetime(2026, 3, 28, 23, tzinfo=UTC), 23),
        ("Europe/Berlin", datetime(2026, 10, 24, 22, tzinfo=UTC), 25),
        ("Asia/Kathmandu", datetime(2026, 5, 1, 18, 15, tzinfo=UTC), 24),
    ],
)
def test_days_are_the_clients_own(book: Instance, zone: str, first: datetime, hours: int) -> None:
    book.client.timezone = zone
    book.client.save()
    since, until = first - HOUR, first + (hours + 1) * HOUR
    record(book, *steady(since, until, cores=1, every=60))
    rollups.roll_up(now=until + HOUR)
    days = list(ResourceDay.objects.filter(instance=book).order_by("date"))
    day = (first + 2 * HOUR).date() if zone != "Asia/Kathmandu" else date(2026, 5, 2)
    assert [each.date - day for each in days] == [timedelta(days=n) for n in (-1, 0, 1)]
    assert [each.cpu_seconds for each in days] == pytest.approx([3600, hours * 3600, 3600])


def test_the_newest_of_every_instance_is_noted(book: Instance) -> None:
    record(book, *steady(NOON - 5 * MINUTE, NOON, cores=0.5))
    rollups.note_newest(now=NOON + SECOND)
    newest = ResourceNow.objects.get()
    assert newest.at == NOON
    assert newest.cpu_cores == pytest.approx(0.5)
    assert (newest.memory_bytes, newest.memory_fullest) == (100 * MB, 0.5)


def test_the_queries_of_a_roll_up_do_not_grow(order: Order, memory_server: Server) -> None:
    counts = []
    for number in range(1, 4):
        record(order(f"book-{number}"), *steady(NOON, NOON + 30 * MINUTE, cores=1, every=60))
        with CaptureQueriesContext(connection) as queries:
            rollups.roll_up(now=NOON + HOUR)
        counts.append(len(queries))
    assert len(set(counts)) == 1
