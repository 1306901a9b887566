"""What instances use, as charts, lists and sums read it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from hosting.models import Instance, Server
from hosting.selectors.measuring import resources
from hosting.selectors.measuring.resources import Measure, Point
from hosting.services.measuring import rollups, samples
from tests.hosting.metered import MB, reading, record, steady

pytestmark = pytest.mark.django_db
Order = Callable[..., Instance]
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def book(order: Order, memory_server: Server) -> Instance:
    """Half a core from noon to four, and 200 MB of volumes."""
    book = order("book")
    book.client.timezone = "UTC"
    book.client.save()
    for hour in range(4):
        samples.record_volumes(sizes={str(book.pk): 200 * MB}, at=NOON + hour * HOUR)
    record(book, *steady(NOON, NOON + 4 * HOUR, cores=0.5, every=30))
    rollups.roll_up(now=NOON + 5 * HOUR)
    return Instance.objects.select_related("plan", "client").get(pk=book.pk)


def _series(
    instance: Instance, measure: Measure, since: datetime, until: datetime
) -> resources.Series:
    return resources.series(instance, measure=measure, since=since, until=until)


def test_an_hour_is_shown_reading_by_reading(book: Instance) -> None:
    shown = _series(book, Measure.CPU, NOON + HOUR, NOON + 2 * HOUR)
    assert (shown.unit, shown.limit, shown.step) == ("cores", 1.0, timedelta())
    assert len(shown.points) == 120
    assert shown.points[0].at == NOON + HOUR
    assert (shown.points[0].value, shown.points[0].max) == pytest.approx((0.5, 0.5))


def test_where_readings_are_missing_the_line_is_broken(book: Instance) -> None:
    record(book, reading(NOON + 4 * HOUR + 30 * MINUTE, cpu=8000))
    shown = _series(book, Measure.MEMORY, NOON + 3 * HOUR, NOON + 5 * HOUR)
    assert shown.points[-2] == Point(NOON + 4 * HOUR + MINUTE, None, None)
    assert shown.points[-1].value == 100 * MB


@pytest.mark.parametrize(
    ("span", "step", "count"),
    [
        (DAY, 15 * MINUTE, 96),
        (7 * DAY, HOUR, 168),
        (30 * DAY, 2 * HOUR, 360),
        (365 * DAY, DAY, 365),
    ],
)
def test_longer_spans_are_put_together(
    book: Instance,
    span: timedelta,
    step: timedelta,
    count: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    until = datetime(2026, 3, 11, tzinfo=UTC)
    expected = {Measure.CPU: 0.5, Measure.MEMORY: 100 * MB, Measure.DISK: 200 * MB}
    for measure in Measure:
        # Where nothing is known it asks for readings as well
        with django_assert_num_queries(1 + (measure is Measure.THROTTLED)):
            shown = _series(book, measure, until - span, until)
        assert (shown.step, len(shown.points)) == (step, count)
        known = [each.value for each in shown.points if each.value is not None]
        if measure is not Measure.THROTTLED:  # nothing was scheduled in periods
            assert len(known) == max(1, 4 * HOUR // step)
            assert known == pytest.approx([expected.get(measure, 0)] * len(known))


@pytest.mark.parametrize("span", [DAY, 30 * DAY, 365 * DAY])
def test_what_has_just_begun_is_shown_by_its_readings(
    span: timedelta, order: Order, memory_server: Server
) -> None:
    book = order("young")
    record(book, *steady(NOON, NOON + 2 * MINUTE, cores=0.5))
    shown = _series(book, Measure.CPU, NOON + 3 * MINUTE - span, NOON + 3 * MINUTE)
    assert shown.step == timedelta()
    assert [each.value for each in shown.points] == pytest.approx([0.5] * 8)


def test_what_is_known_for_longer_is_not(order: Order, memory_server: Server) -> None:
    book = order("older")
    record(book, *steady(NOON, NOON + 3 * HOUR, cores=0.5, every=30))
    rollups.roll_up(now=NOON + 3 * HOUR)
    shown = _series(book, Measure.CPU, NOON + 3 * HOUR - DAY, NOON + 3 * HOUR)
    assert shown.step == 15 * MINUTE
    two = _series(book, Measure.CPU, NOON + 105 * MINUTE - DAY, NOON + 105 * MINUTE)
    assert two.step == timedelta()  # all of it lies in the last two hours


def test_days_begin_at_the_clients_midnight(book: Instance) -> None:
    book.client.timezone = "Europe/Berlin"
    book.client.save()
    until = datetime(2026, 3, 31, 22, tzinfo=UTC)
    shown = _series(book, Measure.CPU, until - 90 * DAY, until)
    moments = [each.at for each in shown.points]
    assert moments[-1] == datetime(2026, 3, 30, 22, tzinfo=UTC)
    assert datetime(2026, 3, 28, 23, tzinfo=UTC) in moments  # the day of 23 hours
    assert datetime(2026, 3, 29, 22, tzinfo=UTC) in moments


def test_sums_and_newest_take_one_query_each(
    book: Instance, order: Order, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    other = order("other")
    rollups.note_newest(now=NOON + 4 * HOUR)
    with django_assert_num_queries(2):
        sums = resources.totals([book, other], since=NOON, until=NOON + HOUR)
        newest = resources.newest([book, other])
    assert sums[book.pk].cpu_seconds == pytest.approx(1800)
    assert sums[book.pk].cpu_cores == pytest.approx(0.5)
    assert sums[book.pk].memory_bytes == pytest.approx(100 * MB)
    assert other.pk not in sums
    assert newest[book.pk].cpu_cores == pytest.approx(0.5)
    assert newest[book.pk].volume_bytes == 200 * MB


def test_a_gap_does_not_make_memory_less(order: Order, memory_server: Server) -> None:
    gone = order("gone")
    record(gone, *steady(NOON, NOON + HOUR, cores=0.5))
    record(gone, *steady(NOON + 3 * HOUR, NOON + 4 * HOUR, cores=0.5, start=1800))
    rollups.roll_up(now=NOON + 5 * HOUR)
    sums = resources.totals([gone], since=NOON, until=NOON + 4 * HOUR)[gone.pk]
    assert sums.seconds == 4 * 3600
    assert sums.memory_bytes == pytest.approx(100 * MB)


def test_servers_real_use_stands_beside_what_is_reserved(
    book: Instance, order: Order, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    order("other")
    now = NOON + 4 * HOUR
    rollups.note_newest(now=now)
    with django_assert_num_queries(2):
        (use,) = resources.fleet(Server.objects.all(), now=now)
    assert (use.instances, use.measured) == (2, 1)
    assert (float(use.reserved_cpus), use.used_cpus) == pytest.approx((2, 0.5))
    assert (use.used_memory_bytes, use.used_disk_bytes) == (100 * MB, 200 * MB)
    assert use.lag == 4 * HOUR
    (later,) = resources.fleet(Server.objects.all(), now=now + HOUR)
    assert (later.measured, later.used_cpus) == (0, 0.0)
    assert later.used_disk_bytes == 200 * MB  # what does not run keeps its files


def test_nothing_known_is_no_error(order: Order, memory_server: Server) -> None:
    fresh = order("fresh")
    now = timezone.now()
    assert _series(fresh, Measure.CPU, now - HOUR, now).points == ()
    assert {each.value for each in _series(fresh, Measure.CPU, now - DAY, now).points} == {None}
    assert resources.newest([fresh]) == {}
    assert resources.open_warnings([fresh]) == {}
