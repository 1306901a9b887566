"""Looks counted into quarters and days; the arithmetic of uptime."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from hosting.models import (
    HealthDay,
    HealthMark,
    HealthSlot,
    Instance,
    MaintenanceWindow,
    Probe,
    Server,
)
from hosting.selectors.watching import health as reading
from hosting.services.watching import health, health_counts
from tenants.services import clients
from tenants.services.actors import Actor
from tests.hosting.looking_at import look, see
from tests.tenants.threads import at_once

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=2)


@pytest.fixture
def book(order: Callable[..., Instance], memory_server: Server) -> Instance:
    """Of a client in Berlin."""
    instance = order("book")
    instance.operations.update(state="succeeded", finished_at=NOW - timedelta(days=900))
    Instance.objects.update(state="running")
    return instance


@pytest.mark.parametrize(
    ("known", "down", "shown"),
    [
        (0, 0, None),
        (86400, 0, "100.000"),
        (86400, 86400, "0.000"),
        (82800, 3600, "95.652"),  # the day of 23 hours
        (90000, 3600, "96.000"),  # the day of 25 hours
        (2_592_000, 1, "99.999"),  # never 100 for less than all
    ],
)
def test_uptime_is_rounded_down(known: int, down: int, shown: str | None) -> None:
    found = reading.uptime(known_seconds=known, down_seconds=down)
    assert found == (None if shown is None else Decimal(shown))


@pytest.mark.parametrize(
    ("buckets", "most", "p95"),
    [
        ([0, 0, 0, 100, 0, 0, 0, 0, 0, 0], 100, 97.5),
        ([0, 0, 0, 100, 0, 0, 0, 0, 0, 0], 60, 59.5),  # nothing lies beyond the largest
        ([95, 0, 0, 0, 0, 0, 0, 0, 0, 5], 9000, 10.0),
        ([90, 0, 0, 0, 0, 0, 0, 0, 0, 10], 9000, 7000.0),
        ([1, 0, 0, 0, 0, 0, 0, 0, 0, 0], 4, 3.8),
    ],
)
def test_the_95th_percentile_lies_within_its_bucket(
    buckets: list[int], most: int, p95: float
) -> None:
    assert reading.percentile(buckets, 0.95, most=most) == pytest.approx(p95)


@pytest.mark.django_db
def test_a_quarter_holds_what_its_looks_come_to(book: Instance) -> None:
    MaintenanceWindow.objects.create(
        starts_at=NOW + timedelta(seconds=60), ends_at=NOW + timedelta(seconds=90), planned_at=NOW
    )
    see(book, "UUDDDDUU", NOW)  # the fifth and sixth fall into the maintenance
    assert health_counts.count_marked(now=LATER) == 1
    slot = HealthSlot.objects.get()
    assert (slot.checks, slot.failures, slot.known_seconds, slot.down_seconds) == (6, 2, 90, 30)
    assert (slot.excused_seconds, slot.responses, slot.ms_sum, slot.ms_max) == (30, 4, 160, 40)
    assert slot.buckets == [0, 0, 4, 0, 0, 0, 0, 0, 0, 0]
    day = HealthDay.objects.get()
    assert (day.day, day.zone, day.checks, day.buckets) == (
        date(2026, 3, 20),
        "Europe/Berlin",
        6,
        slot.buckets,
    )
    (point,) = reading.days(book, since=date(2026, 3, 1), until=date(2026, 4, 1))
    assert point.stretch.uptime == Decimal("66.666")


@pytest.mark.django_db
def test_counting_again_changes_nothing_and_late_looks_are_counted(book: Instance) -> None:
    see(book, "UD", NOW)
    health_counts.count_marked(now=LATER)
    assert not HealthMark.objects.exists()
    assert health_counts.count_marked(now=LATER) == 0
    health.record(looks=[look(book, NOW + timedelta(minutes=5), up=False)])
    health_counts.count_marked(now=LATER)
    assert HealthSlot.objects.get().failures == 2
    assert HealthDay.objects.get().failures == 2


@pytest.mark.django_db
def test_a_quarter_that_goes_on_is_counted_and_stays_marked(book: Instance) -> None:
    see(book, "UU", NOW)
    health_counts.count_marked(now=NOW + timedelta(minutes=1))
    assert HealthSlot.objects.get().checks == 2
    assert HealthMark.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)]
)
def test_a_day_is_the_clients_own_whatever_its_length(
    book: Instance, day: date, hours: int
) -> None:
    midnight = datetime.combine(day, datetime.min.time(), BERLIN).astimezone(UTC)
    quarters = range(-1, hours * 4 + 1)  # one before the day, one after
    for number in quarters:
        health.record(looks=[look(book, midnight + number * timedelta(minutes=15))])
    health_counts.count_marked(now=midnight + timedelta(days=3))
    checks = dict(HealthDay.objects.values_list("day", "checks"))
    assert checks == {day - timedelta(1): 1, day: hours * 4, day + timedelta(1): 1}


@pytest.mark.django_db
@pytest.mark.parametrize(("zone", "hours"), [("Asia/Kathmandu", 19.25), ("America/New_York", 29)])
def test_days_stay_when_a_client_moves_and_each_look_is_of_one(
    book: Instance, actor: Actor, zone: str, hours: float
) -> None:
    """Whose last day in Berlin, the 20th, ends when the 21st begins there."""
    begin = datetime(2026, 3, 19, 23, tzinfo=UTC)
    quarters = [begin + number * timedelta(minutes=15) for number in range(-96, 4 * 24 * 3)]
    for at in quarters[:120]:
        health.record(looks=[look(book, at)])
    health_counts.count_marked(now=NOW)
    past = HealthDay.objects.get(day=date(2026, 3, 19))
    clients.update(client=book.client, timezone=zone, actor=actor, now=NOW)
    for at in quarters[120:]:
        health.record(looks=[look(book, at)])
    health_counts.count_marked(now=begin + timedelta(days=9))
    days = {each.day: each for each in HealthDay.objects.all()}
    assert sum(each.checks for each in days.values()) == len(quarters)
    assert days[date(2026, 3, 20)].checks == 4 * hours
    assert days[date(2026, 3, 21)].checks == 96
    assert (days[past.day].checks, days[past.day].zone) == (past.checks, "Europe/Berlin")
    assert days[date(2026, 3, 21)].zone == zone


@pytest.mark.django_db(transaction=True)
def test_no_look_is_lost_between_those_who_write_and_those_who_count(book: Instance) -> None:
    def write(number: int) -> None:
        for each in range(12):
            at = NOW + timedelta(seconds=number + 4 * each)
            health.record(looks=[look(book, at)])

    def count() -> None:
        for _ in range(12):
            health_counts.count_marked(now=LATER)

    works = [lambda n=n: write(n) for n in range(3)]
    for each in at_once(*works, count, count):
        each.result()
    health_counts.count_marked(now=LATER)
    assert HealthSlot.objects.get().checks == Probe.objects.count() == 36
    assert not HealthMark.objects.exists()


@pytest.mark.django_db
def test_months_and_spans_are_made_of_days(book: Instance) -> None:
    for month, pattern in ((3, "UUUD"), (4, "UU")):
        see(book, pattern, datetime(2026, month, 10, tzinfo=UTC))
    health_counts.count_marked(now=datetime(2026, 5, 1, tzinfo=UTC))
    months = reading.months(book, since=date(2026, 1, 1), until=date(2026, 12, 1))
    assert [(each.day.month, each.stretch.uptime) for each in months] == [
        (3, Decimal("75.000")),
        (4, Decimal("100.000")),
    ]
    whole = reading.over(book, since=date(2026, 3, 1), until=date(2026, 5, 1))
    assert (whole.checks, whole.failures) == (6, 1)
    assert reading.over_of([book], since=date(2026, 3, 1), until=date(2026, 5, 1)) == {
        book.pk: whole
    }
