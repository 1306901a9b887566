"""Years, months and days above lists, without looking through these."""

from __future__ import annotations

from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import Rate
from tenants.admin.days import Between

pytestmark = pytest.mark.django_db


def _rates(*days: date) -> Between[Rate]:
    for day in days:
        Rate.objects.create(model="m", starts_on=day, currency="EUR", input=1, output=1, cached=1)
    return Between(Rate)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("year", [date(2024, 1, 1), date(2025, 1, 1)]),
        ("month", [date(2024, 11, 1), date(2024, 12, 1), date(2025, 1, 1)]),
    ],
)
def test_from_the_first_row_to_the_last(kind: str, expected: list[date]) -> None:
    rates = _rates(date(2025, 1, 1), date(2024, 11, 30))
    with CaptureQueriesContext(connection) as queries:
        assert rates.dates("starts_on", kind) == expected
    assert len(queries) == 1


def test_each_day_of_a_month_that_was_chosen() -> None:
    rates = _rates(date(2024, 2, 27), date(2024, 3, 1), date(2024, 4, 1))
    chosen = rates.filter(starts_on__gte=date(2024, 2, 1), starts_on__lt=date(2024, 4, 1))
    assert chosen.dates("starts_on", "day") == [
        *(date(2024, 2, day) for day in (27, 28, 29)),
        date(2024, 3, 1),
    ]


def test_none_of_nothing() -> None:
    assert _rates().dates("starts_on", "year") == []
