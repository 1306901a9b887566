"""What is read of stretches of days, by every kind of meter: totals, and levels by their share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hosting.models import Instance, Server, UsageSubject
from hosting.selectors.measuring import usage_stretches
from hosting.selectors.measuring.usage_stretches import Stretch
from hosting.services.measuring import usage_events, usage_sums
from hosting.services.measuring.usage_checks import Usage

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
METERS = {
    name: {"title": name, "unit": "times", "aggregation": name}
    for name in ("sum", "count", "max", "unique", "latest", "time_weighted")
}
_numbers = count()


@pytest.fixture
def book(order: Callable[..., Instance], memory_server: Server) -> Instance:
    """An instance of an app that has a meter of each kind, at a client in Berlin."""
    instance = order()
    instance.definition["berth"]["meters"] = METERS
    instance.save()
    return instance


def use(book: Instance, meter: str, told: str) -> None:
    """Write down what is told: days of March with an amount, or a key, at noon in UTC."""
    usages = []
    for each in told.split():
        day, _, value = each.partition(":")
        is_key = not value.replace(".", "").isdigit()
        usages.append(
            Usage(
                at=datetime(2026, 3, int(day), 12, tzinfo=UTC),
                meter=meter,
                label="",
                amount=1.0 if is_key else float(value),
                key=value if is_key else "",
                is_level=meter in ("latest", "time_weighted"),
                input=None,
                output=None,
                cached=None,
                source="test",
                event_id=str(next(_numbers)),
            )
        )
    usage_events.write(instance_id=book.pk, usages=usages, now=NOW)
    usage_sums.sum_up(now=NOW)


def spans(text: str) -> list[tuple[date, date]]:
    """Days of March, the last included: 1-10 20-31."""
    pairs = [each.split("-") for each in text.split()]
    end = date(2026, 3, 1).replace
    return [
        (end(day=int(first)), date.fromordinal(end(day=int(last)).toordinal() + 1))
        for first, last in pairs
    ]


@pytest.mark.parametrize(
    ("meter", "told", "days", "value"),
    [
        ("sum", "1:2.5 2:3 20:4", "1-31", "9.5"),
        ("sum", "1:2.5 2:3 20:4", "1-10", "5.5"),  # a sum is never shared
        ("count", "1:1 2:1 20:1", "1-10 20-31", "3"),
        ("max", "1:2 5:31 20:4", "1-31", "31"),
        ("max", "1:2 5:31 20:4", "1-10", "10"),  # 10 of 31 days
        ("max", "1:2 5:31 20:4", "1-4 20-31", "2.064516"),  # 16 of 31 days of 4
        ("unique", "1:alice 2:bob 3:alice", "1-31", "2"),  # whoever came on two days is one
        ("unique", "1:alice 9:bob 20:carol", "1-8 20-31", "1.290323"),  # 2, of 20 of 31 days
        ("unique", "1:alice", "2-31", None),
        ("latest", "1:5 20:3", "1-31", "3"),
        ("latest", "1:62 20:31", "1-10", "20"),
        ("latest", "1:62", "20-29", "20"),  # as it has been since the first
        ("latest", "20:5", "1-10", None),  # nothing was reported yet
        ("time_weighted", "1:31", "1-31", "31"),
        ("time_weighted", "1:31", "1-10", "10"),
        ("time_weighted", "1:31", "11-31", "21"),  # both parts are the whole
        ("time_weighted", "16:31", "1-31", "16"),  # nothing before the day of the first report
        ("time_weighted", "1:10 11:20", "1-31", "16.599462"),  # 20 from 13:00 of Berlin's on
        ("time_weighted", "1:31 16:0", "16-16", "0.541667"),  # 13 of 24 hours of 31, of a day
    ],
)
def test_a_stretch_of_a_month(
    book: Instance, meter: str, told: str, days: str, value: str | None
) -> None:
    use(book, meter, told)
    (found,) = usage_stretches.totals([Stretch(book.pk, spans(days), of=31)], meters=[meter])
    assert found.get(meter) == (None if value is None else Decimal(value))


def test_a_stretch_that_is_no_part_of_anything_is_whole(book: Instance) -> None:
    use(book, "max", "5:31")
    (found,) = usage_stretches.totals([Stretch(book.pk, spans("1-10"))], meters=["max"])
    assert found["max"] == Decimal(31)


def test_who_came_is_known_longer_than_events_are_kept_and_follows_late_ones(
    book: Instance,
) -> None:
    use(book, "unique", "1:alice 1:bob")
    use(book, "unique", "1:carol")
    known = UsageSubject.objects.order_by("key").values_list("on", "key")
    assert list(known) == [(date(2026, 3, 1), name) for name in ("alice", "bob", "carol")]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM hosting_usageevent")
    (found,) = usage_stretches.totals([Stretch(book.pk, spans("1-31"), of=31)], meters=["unique"])
    assert found["unique"] == Decimal(3)


def test_many_stretches_take_a_query_for_each_way_of_counting(book: Instance) -> None:
    for meter in ("unique", "latest", "time_weighted"):
        use(book, meter, "1:alice 2:bob" if meter == "unique" else "1:5")
    asked = []
    for many in (1, 20):
        wanted = [Stretch(book.pk, spans(f"1-{day}"), of=31) for day in range(1, many + 1)]
        with CaptureQueriesContext(connection) as queries:
            found = usage_stretches.totals(wanted, meters=list(METERS))
        asked.append(len(queries))
    assert asked == [5, 5]  # which meters there are, the sums, and three
    assert found[1]["unique"] == usage_stretches.shared(Decimal(2), wanted[1])
