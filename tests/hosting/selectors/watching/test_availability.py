"""Credits: data in, a percentage out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hosting.models import HealthDay, Instance, Operation, Plan, Server, Upgrade
from hosting.models.sla import tiers_of
from hosting.selectors.watching import availability
from hosting.selectors.watching.health import Stretch

TIERS = tiers_of([[99.9, 10], [99.0, 25], [95.0, 100]])
MONTH = 30 * 86400


def _stretch(known: int, down: int, excused: int = 0) -> Stretch:
    return Stretch(known, down, excused, checks=1, failures=0, response=None)


@pytest.mark.parametrize(
    ("known", "down", "credit"),
    [
        (0, 0, 0),
        (MONTH, 0, 0),
        (MONTH, 2592, 0),  # 99.9 % exactly is kept
        (MONTH, 2593, 10),
        (MONTH, 25920, 10),
        (MONTH, 25921, 25),
        (MONTH, 129_600, 25),
        (MONTH, 129_601, 100),
        (MONTH, MONTH, 100),
        (31 * 86400 - 3600, 2675, 10),  # March in Berlin is an hour shorter
        (31 * 86400 - 3600, 2674, 0),
    ],
)
def test_the_lowest_tier_that_was_missed_counts(known: int, down: int, credit: int) -> None:
    assert availability.credit(stretch=_stretch(known, down), tiers=TIERS) == credit


@pytest.mark.parametrize(
    "value",
    [
        "99.9",
        {"below": 99.9},
        [[99.9]],
        [[99.9, 0]],
        [[101, 10]],
        [[99.9, 101]],
        [["x", 10]],
        [["NaN", 10]],
        [[True, 10]],
        [[99.0, 10], [99.9, 25]],
        [[99.9, 25], [99.0, 10]],
        [[99.9, 10]] * 11,
    ],
)
def test_tiers_that_make_no_sense_are_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        tiers_of(value)


@pytest.fixture
def instances(order: Callable[..., Instance], memory_server: Server) -> list[Instance]:
    return [order("book"), order("shop"), order("silent")]


def _day(instance: Instance, day: date, down: int) -> None:
    HealthDay.objects.create(
        instance=instance,
        day=day,
        zone="Europe/Berlin",
        checks=5760,
        failures=0,
        known_seconds=86400,
        down_seconds=down,
        excused_seconds=0,
        responses=0,
        ms_sum=0,
        buckets=[0] * 10,
    )


@pytest.mark.django_db
def test_credits_of_a_client_by_month_and_plan(instances: list[Instance], small: Plan) -> None:
    book, shop, _ = instances
    large = Plan.objects.create(
        slug="large", name="Large", cpus=1, memory_mb=512, disk_gb=5, sla_tiers=[[99.99, 5]]
    )
    Instance.objects.filter(pk=shop.pk).update(
        plan=large, state="deleted", deleted_at="2026-04-01T00:00Z"
    )
    for instance in (book, shop):
        _day(instance, date(2026, 3, 1), down=864)  # a hundredth of one of two days
        _day(instance, date(2026, 3, 31), down=0)
        _day(instance, date(2026, 4, 1), down=86400)  # another month
    with CaptureQueriesContext(connection) as asked:
        found = availability.credits_of(book.client, month=date(2026, 3, 15))
    assert len(asked) == 3
    assert [(each.name, each.availability, each.credit_percent) for each in found] == [
        ("book", Decimal("99.500"), Decimal(10)),
        ("shop", Decimal("99.500"), Decimal(5)),
    ]
    assert availability.of_month(book, month=date(2026, 4, 30)).credit_percent == 100
    assert availability.of_month(book, month=date(2026, 5, 1)).availability is None


def _to_plain(book: Instance, small: Plan, *, finished_at: datetime | None) -> None:
    """To a plan that promises next to nothing; with no end, the change goes on."""
    book.operations.all().delete()
    plain = Plan.objects.create(
        slug="plain", name="Plain", cpus=1, memory_mb=512, disk_gb=5, sla_tiers=[[50, 1]]
    )
    operation = Operation.objects.create(
        instance=book,
        kind="upgrade",
        state="succeeded" if finished_at else "running",
        requested_by_label="x",
        finished_at=finished_at,
        lease_expires_at=None if finished_at else datetime(2026, 4, 1, tzinfo=UTC),
    )
    same: dict[str, Any] = {"version": book.version, "definition": {}, "images": {}}
    Upgrade.objects.create(
        operation=operation,
        from_generation=1,
        to_generation=1,
        from_plan=small,
        to_plan=plain,
        **{f"{end}_{name}": value for end in ("from", "to") for name, value in same.items()},
    )
    Instance.objects.filter(pk=book.pk).update(plan=plain)
    book.refresh_from_db()


@pytest.mark.django_db
def test_a_plan_that_it_has_later_promises_nothing_for_a_month_that_is_over(
    instances: list[Instance], small: Plan
) -> None:
    """To Plain when it is April in Berlin, though March in UTC: the promise of March holds."""
    book = instances[0]
    _to_plain(book, small, finished_at=datetime(2026, 3, 31, 22, 0, tzinfo=UTC))
    for day in (date(2026, 3, 1), date(2026, 4, 1)):
        _day(book, day, down=8640)
    months = availability.months_of(book, today=date(2026, 4, 2))
    assert [(each.month.month, each.credit_percent) for each in months] == [
        (4, Decimal(0)),
        (3, Decimal(100)),
    ]
    (march,) = availability.credits_of(book.client, month=date(2026, 3, 1))
    assert march.credit_percent == 100
    assert availability.of_month(book, month=date(2026, 4, 1)).credit_percent == 0


@pytest.mark.django_db
def test_while_it_is_changed_to_another_plan_the_one_of_before_counts(
    instances: list[Instance], small: Plan
) -> None:
    """The row has the other one from the switch on, and may still go back."""
    book = instances[0]
    _to_plain(book, small, finished_at=None)
    _day(book, date(2026, 3, 1), down=8640)
    assert availability.of_month(book, month=date(2026, 3, 1)).credit_percent == 100


@pytest.mark.django_db
def test_months_with_any_downtime_by_client(instances: list[Instance]) -> None:
    book, shop, _ = instances
    _day(book, date(2026, 2, 28), down=1)
    _day(book, date(2026, 3, 1), down=0)
    _day(shop, date(2026, 4, 1), down=5)
    _day(shop, date(2026, 4, 2), down=5)
    client = book.client_id
    with CaptureQueriesContext(connection) as asked:
        found = availability.months_with_downtime([client], since=date(2026, 2, 1))
    assert len(asked) == 1
    assert found[client] == [date(2026, 2, 1), date(2026, 4, 1)]
    later = availability.months_with_downtime([client], since=date(2026, 3, 31))
    assert later[client] == [date(2026, 4, 1)]


@pytest.mark.django_db
def test_the_last_months_of_an_instance(instances: list[Instance]) -> None:
    book, shop, _ = instances
    _day(book, date(2025, 11, 30), down=900)  # before the last twelve
    _day(book, date(2025, 12, 1), down=0)
    _day(book, date(2026, 10, 31), down=864)
    _day(book, date(2026, 11, 1), down=0)
    _day(shop, date(2026, 10, 1), down=86400)
    with CaptureQueriesContext(connection) as asked:
        found = availability.months_of(book, today=date(2026, 11, 29))
    assert len(asked) == 2
    assert [(each.month, each.availability, each.credit_percent) for each in found] == [
        (date(2026, 11, 1), Decimal(100), Decimal(0)),
        (date(2026, 10, 1), Decimal("99.000"), Decimal(10)),
        (date(2025, 12, 1), Decimal(100), Decimal(0)),
    ]
    assert availability.months_of(book, today=date(2026, 1, 31), most=1) == []
