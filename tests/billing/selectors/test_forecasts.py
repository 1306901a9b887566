"""What a month will have cost when it is over."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from billing.selectors import forecasts

LAST_YEAR, MAY = date(2025, 1, 1), date(2026, 5, 1)


def april(*amounts: int, first: int = 1) -> dict[date, Decimal]:
    """So much on each day of April, from that day on."""
    return {date(2026, 4, first + n): Decimal(each) for n, each in enumerate(amounts)}


def expect(spent: dict[date, Decimal], day: int, *, began: date = LAST_YEAR) -> Decimal | None:
    today = date(2026, 4, day)
    return forecasts.at_months_end(spent, today=today, began=began, until=MAY)


def test_each_day_that_is_left_costs_what_the_last_seven_did() -> None:
    spent = april(*[100] * 3, *[7] * 7, 2)  # today is the 11th
    assert expect(spent, 11) == 300 + 49 + 2 + 5 + 19 * 7


def test_a_day_that_cost_more_than_usual_already_adds_nothing_for_its_rest() -> None:
    assert expect(april(*[1] * 10, 50), 11) == 10 + 50 + 19


def test_days_of_the_month_before_count_in_the_average_and_not_in_the_sum() -> None:
    march = {date(2026, 3, day): Decimal(14) for day in range(25, 32)}
    assert expect(march, 1) == 30 * 14


def test_days_without_costs_are_days() -> None:
    assert expect(april(0, 0, 0, 0, 0, 0, 7), 8) == 7 + 23


@pytest.mark.parametrize(("day", "known"), [(10, False), (11, False), (12, True)])
def test_nothing_is_expected_before_a_whole_day(day: int, known: bool) -> None:
    began = date(2026, 4, 10)
    found = expect(april(5, 8, first=10), day, began=began)
    assert found == (13 + 19 * 8 if known else None)


def test_on_the_last_day_nothing_is_left_but_its_rest() -> None:
    assert expect(april(*[2] * 29, 1), 30) == 58 + 1 + 1


def test_from_when_on_it_has_to_be_known() -> None:
    assert forecasts.first_day(today=date(2026, 4, 3)) == date(2026, 3, 27)
    assert forecasts.first_day(today=date(2026, 4, 20)) == date(2026, 4, 1)
