"""What apps used, summed up: by every kind of meter, in its own time, and never twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest
from django.db import connection

from hosting.models import Instance, Server, UsageMark, UsageSum
from hosting.selectors.measuring import usage
from hosting.services.measuring import usage_events, usage_sums
from hosting.services.measuring.usage_checks import Usage

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
METERS = {
    name: {"title": name, "unit": "times", "aggregation": name}
    for name in ("sum", "count", "max", "unique", "latest", "time_weighted")
}
Use = Callable[..., None]
_numbers = count()


@pytest.fixture
def book(order: Callable[..., Instance], memory_server: Server) -> Instance:
    """An instance of an app that has a meter of each kind, at a client in Berlin."""
    instance = order()
    instance.definition["berth"]["meters"] = METERS
    instance.save()
    return instance


@pytest.fixture
def use(book: Instance) -> Use:
    """Write down that the app used so much of a meter at that time."""

    def write(meter: str, amount: float, at: datetime, **more: object) -> None:
        told = Usage(
            at=at,
            meter=meter,
            label=str(more.get("label", "")),
            amount=amount,
            key=str(more.get("key", "")),
            is_level=meter in ("latest", "time_weighted"),
            input=more.get("input"),  # type: ignore[arg-type]
            output=more.get("output"),  # type: ignore[arg-type]
            cached=more.get("cached"),  # type: ignore[arg-type]
            source="test",
            event_id=str(next(_numbers)),
        )
        assert usage_events.write(instance_id=book.pk, usages=[told], now=NOW) == 1

    return write


def of_days(book: Instance, meter: str) -> dict[str, Decimal]:
    """Day -> value."""
    found = usage.days(book, since=date(2026, 1, 1), until=date(2027, 1, 1), names=[meter])
    return {str(each.begin): each.value for each in found}


def of_month(book: Instance, meter: str) -> Decimal:
    (found,) = usage.months(book, since=date(2026, 3, 1), until=date(2026, 4, 1), names=[meter])
    return found.value


def at(day: int, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def test_sums_counts_and_greatest(book: Instance, use: Use) -> None:
    for meter in ("sum", "count", "max"):
        for day, amount in ((1, 2.5), (1, 4), (2, 3)):
            use(meter, amount, at(day))
    usage_sums.sum_up(now=NOW)
    assert of_days(book, "sum") == {"2026-03-01": Decimal("6.5"), "2026-03-02": Decimal(3)}
    assert of_days(book, "count") == {"2026-03-01": Decimal(2), "2026-03-02": Decimal(1)}
    assert of_days(book, "max") == {"2026-03-01": Decimal(4), "2026-03-02": Decimal(3)}
    assert [of_month(book, each) for each in ("sum", "count", "max")] == [Decimal("9.5"), 3, 4]


def test_different_ones_are_counted_once_in_each_span(book: Instance, use: Use) -> None:
    for day, key in ((1, "alice"), (1, "bob"), (1, "alice"), (2, "alice"), (3, "carol")):
        use("unique", 1, at(day), key=key)
    usage_sums.sum_up(now=NOW)
    assert list(of_days(book, "unique").values()) == [2, 1, 1]
    assert of_month(book, "unique") == 3


def test_the_latest_is_by_the_events_own_time(book: Instance, use: Use) -> None:
    use("latest", 5, at(1, 14))
    use("latest", 9, at(1, 13))
    usage_sums.sum_up(now=NOW)
    assert of_days(book, "latest") == {"2026-03-01": Decimal(5)}


def test_a_level_holds_until_the_next_one_also_into_later_days(book: Instance, use: Use) -> None:
    use("time_weighted", 4, at(1, 11))  # Berlin's day ends at 23:00
    use("time_weighted", 10, at(3, 11))  # 4 held for half of the day
    usage_sums.sum_up(now=NOW)
    assert of_days(book, "time_weighted") == {"2026-03-01": 4, "2026-03-03": 7}
    use("time_weighted", 6, at(2, 23))  # late: from then on it was 6
    usage_sums.sum_up(now=NOW)
    assert of_days(book, "time_weighted") == {"2026-03-01": 4, "2026-03-03": 8}


def test_days_are_the_clients(book: Instance, use: Use) -> None:
    use("sum", 1, at(1, 22, 59))
    use("sum", 2, at(1, 23))  # midnight in Berlin
    use("sum", 4, datetime(2026, 2, 28, 23, tzinfo=UTC))  # March there
    use("sum", 8, at(29, 21, 59))  # summer time began: the day has 23 hours
    use("sum", 16, at(29, 22))
    usage_sums.sum_up(now=NOW)
    assert of_days(book, "sum") == {
        "2026-03-01": 5,
        "2026-03-02": 2,
        "2026-03-29": 8,
        "2026-03-30": 16,
    }
    assert of_month(book, "sum") == 31


def test_late_events_change_their_own_span_alone(book: Instance, use: Use) -> None:
    use("sum", 1, at(1))
    use("sum", 2, at(2))
    usage_sums.sum_up(now=NOW)
    later = NOW + timedelta(days=3)
    use("sum", 10, at(1))
    assert usage_sums.sum_up(now=later) == 1
    assert of_days(book, "sum") == {"2026-03-01": 11, "2026-03-02": 2}
    assert UsageSum.objects.get(span="day", on=date(2026, 3, 2)).computed_at == NOW


def test_summing_up_again_changes_nothing(book: Instance, use: Use) -> None:
    use("sum", 1, at(1))
    use("llm", 1, at(1), label="gpt-4o", input=10, output=5, cached=2)
    usage_sums.sum_up(now=NOW)
    before = list(UsageSum.objects.order_by("pk").values())
    assert usage_sums.sum_up(now=NOW) == 0
    assert list(UsageSum.objects.order_by("pk").values()) == before


def test_tokens_and_requests_are_summed_by_model(book: Instance, use: Use) -> None:
    use("llm", 1, at(1), label="gpt-4o", input=100, output=20, cached=40)
    use("llm", 1, at(1), label="gpt-4o", input=1, output=2, cached=0)
    use("llm", 1, at(1), label="other", input=7, output=0, cached=0)
    usage_sums.sum_up(now=NOW)
    found = usage.days(book, since=date(2026, 3, 1), until=date(2026, 3, 2))
    assert {(each.meter, each.label): int(each.value) for each in found} == {
        ("llm_requests", "gpt-4o"): 2,
        ("llm_requests", "other"): 1,
        ("llm_input", "gpt-4o"): 101,
        ("llm_input", "other"): 7,
        ("llm_output", "gpt-4o"): 22,
        ("llm_output", "other"): 0,
        ("llm_cached", "gpt-4o"): 40,
        ("llm_cached", "other"): 0,
    }
    total = usage.totals([book.pk], month=date(2026, 3, 1), names=usage.TOKENS)
    assert total == {book.pk: 130}


def test_a_mark_that_somebody_else_holds_is_left_to_him(book: Instance, use: Use) -> None:
    use("sum", 1, at(1))
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM hosting_usagemark FOR UPDATE")
    assert usage_sums.sum_up(now=NOW) == 1  # the same session's own lock is none
    assert not UsageMark.objects.exists()
