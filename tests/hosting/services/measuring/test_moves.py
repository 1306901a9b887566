"""A client that moves to another time zone: each moment counts on one of its days, once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest

from hosting.models import Instance, ResourceDay, Server, UsageSum
from hosting.selectors import client_days
from hosting.selectors.measuring import usage
from hosting.services.measuring import rollups, usage_events, usage_sums
from hosting.services.measuring.usage_checks import Usage
from tenants.models import Client
from tenants.services import clients
from tenants.services.actors import Actor
from tests.hosting.metered import record, steady

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)
MOVE = datetime(2026, 3, 31, 8, tzinfo=UTC)  # 10:00 in Berlin
BEGIN = datetime(2026, 3, 29, 22, tzinfo=UTC)  # of the 30th there
# When the last of March, the day of the move, ends; and that the 1st of April has 24 hours.
EAST = ("Asia/Kathmandu", datetime(2026, 3, 31, 18, 15, tzinfo=UTC))
WEST = ("America/New_York", datetime(2026, 4, 1, 4, tzinfo=UTC))
BOTH = pytest.mark.parametrize(("zone", "april"), [EAST, WEST])
_numbers = count()


@pytest.fixture
def book(order: Callable[..., Instance], memory_server: Server) -> Instance:
    """Of a client in Berlin, whose app has a meter of each kind."""
    instance = order()
    instance.definition["berth"]["meters"] = {
        name: {"title": name, "unit": "times", "aggregation": name}
        for name in ("sum", "unique", "latest", "time_weighted")
    }
    instance.save()
    return instance


def use(book: Instance, meter: str, at: datetime, amount: float = 1) -> None:
    told = Usage(
        at=at,
        meter=meter,
        label="",
        amount=amount,
        key=f"at {at}" if meter == "unique" else "",
        is_level=meter in ("latest", "time_weighted"),
        input=None,
        output=None,
        cached=None,
        source="test",
        event_id=str(next(_numbers)),
    )
    assert usage_events.write(instance_id=book.pk, usages=[told], now=at) == 1


def move(book: Instance, zone: str, actor: Actor, now: datetime = MOVE) -> None:
    book.client = clients.update(client=book.client, timezone=zone, actor=actor, now=now)


def days(book: Instance, meter: str) -> dict[str, Decimal]:
    found = usage.days(book, since=date(2026, 1, 1), until=date(2027, 1, 1), names=[meter])
    return {str(each.begin): each.value for each in found}


def months(book: Instance, meter: str) -> list[Decimal]:
    found = usage.months(book, since=date(2026, 3, 1), until=date(2026, 5, 1), names=[meter])
    return [each.value for each in found]


@BOTH
@pytest.mark.parametrize("meter", ["sum", "unique"])
def test_each_event_counts_on_one_day_and_in_one_month(
    book: Instance, actor: Actor, zone: str, april: datetime, meter: str
) -> None:
    events = [BEGIN + number * QUARTER for number in range((april - BEGIN) // QUARTER + 120)]
    before = [each for each in events if each <= MOVE]
    for at in before:
        use(book, meter, at)
    usage_sums.sum_up(now=MOVE)
    summed = UsageSum.objects.get(span="day", on=date(2026, 3, 30))
    move(book, zone, actor)
    for at in events[len(before) :]:
        use(book, meter, at)
    usage_sums.sum_up(now=events[-1])
    last = (april - BEGIN) // QUARTER - 96
    assert days(book, meter) == {
        "2026-03-30": 96,
        "2026-03-31": last,
        "2026-04-01": 96,
        "2026-04-02": 24,
    }
    assert months(book, meter) == [96 + last, 96 + 24]
    assert UsageSum.objects.get(span="day", on=date(2026, 3, 30)).computed_at == summed.computed_at


@BOTH
def test_an_event_of_before_the_move_that_comes_late_counts_on_the_day_it_would_have(
    book: Instance, actor: Actor, zone: str, april: datetime
) -> None:
    use(book, "sum", BEGIN)
    usage_sums.sum_up(now=MOVE)
    move(book, zone, actor)
    for at in (BEGIN, BEGIN - HOUR, MOVE, april - QUARTER, april):
        use(book, "sum", at)
    usage_sums.sum_up(now=april + HOUR)
    assert days(book, "sum") == {
        "2026-03-29": 1,
        "2026-03-30": 2,
        "2026-03-31": 2,
        "2026-04-01": 1,
    }


@BOTH
def test_a_level_is_averaged_over_the_day_as_long_as_it_will_have_been(
    book: Instance, actor: Actor, zone: str, april: datetime
) -> None:
    """Though nothing is reported any more after the move: the day and its month end elsewhere."""
    begin = BEGIN + 24 * HOUR
    use(book, "time_weighted", begin, 10)
    use(book, "time_weighted", begin + 6 * HOUR, 20)
    usage_sums.sum_up(now=MOVE - HOUR)
    assert days(book, "time_weighted") == {"2026-03-31": Decimal("17.5")}
    move(book, zone, actor)
    usage_sums.sum_up(now=MOVE)
    long = Decimal((april - begin) // QUARTER) / 4
    mean = round((60 + 20 * (long - 6)) / long, 6)
    assert days(book, "time_weighted") == {"2026-03-31": mean}
    assert months(book, "time_weighted") == [mean]


@BOTH
def test_resource_days_have_each_quarter_once(
    book: Instance, actor: Actor, zone: str, april: datetime
) -> None:
    until = april + 25 * HOUR
    record(book, *steady(BEGIN, MOVE, cores=1, every=60))
    rollups.roll_up(now=MOVE)
    move(book, zone, actor)
    start = (MOVE - BEGIN).total_seconds() + 60
    record(book, *steady(MOVE + timedelta(minutes=1), until, cores=1, every=60, start=start))
    rollups.roll_up(now=until + HOUR)
    found = dict(ResourceDay.objects.values_list("date", "cpu_seconds"))
    assert sum(found.values()) == pytest.approx((until - BEGIN).total_seconds())
    last = (april - BEGIN - 24 * HOUR).total_seconds()
    expected = {30: 86_400, 31: last, 1: 86_400, 2: 3600}
    assert {each.day: seconds for each, seconds in found.items()} == pytest.approx(expected)


@BOTH
def test_the_month_ends_when_its_last_day_does(
    book: Instance, actor: Actor, zone: str, april: datetime
) -> None:
    move(book, zone, actor)
    assert usage.end_of(date(2026, 3, 1), book.client) == april
    moments = (april - QUARTER, april)
    firsts = [usage.month_of(book.client, each) for each in moments]
    assert firsts == [date(2026, 3, 1), date(2026, 4, 1)]


def test_spans_are_those_of_each_clients_clock(
    order: Callable[..., Instance], memory_server: Server, acme: Client, actor: Actor
) -> None:
    """Quarters of two clients, one of which moved; of what is no instance there is none."""
    other = clients.create(name="Globex", slug="globex", timezone="UTC", actor=actor)
    clients.update(client=acme, timezone="America/New_York", actor=actor, now=MOVE)
    instances = [order("one", client=acme), order("two", client=other)]
    quarters = [MOVE + number * QUARTER for number in range(0, 4 * 48, 7)]
    moments = [(each.pk, at) for each in instances for at in (*quarters, *quarters)]
    of = client_days.clocks_of({each.pk for each in instances})
    assert of[instances[0].pk] == Client.objects.get(pk=acme.pk).clock
    found = client_days.days([*moments, (acme.pk, MOVE)], of)
    expected = {(each, of[each].day_at(at)) for each, at in moments}
    assert set(zip(found.instances, found.dates, strict=True)) == expected
    assert len(found.instances) == len(expected)
    for instance, day, begin, end in zip(
        found.instances, found.dates, found.begins, found.ends, strict=True
    ):
        assert begin == of[instance].begin_of(day)
        assert end == of[instance].begin_of(day + timedelta(days=1))
    months = client_days.months(moments, of)
    assert sorted({each.month for each in months.dates}) == [3, 4]
    assert [
        of[each].day_at(at) for each, at in zip(months.instances, months.ends, strict=True)
    ] == [date(2026, each.month + 1, 1) for each in months.dates]
