"""What a month will have cost when it is over, as it went lately. A rule without a database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal

DAY = timedelta(days=1)
LOOKED_BACK = 7  # whole days, so that a weekend is among them


def first_day(*, today: date) -> date:
    """From which day on costs have to be known for :func:`at_months_end`."""
    return min(today.replace(day=1), today - LOOKED_BACK * DAY)


def whole_days(*, today: date, began: date) -> int:
    """Of how many days :func:`at_months_end` takes the average: the last seven, or all there are.

    That on which it began was none, nor is today.
    """
    return min(LOOKED_BACK, max(0, (today - began).days - 1))


def at_months_end(
    spent: Mapping[date, Decimal], *, today: date, began: date, until: date
) -> Decimal | None:
    """What was spent this month, and the average of the last whole days for each that is left.

    ``spent`` is by day, ``began`` the day on which there may have been costs first, ``until`` the
    first day of the next month. What is left of today is that average less what today cost already.
    None before there was a whole day.
    """
    days = whole_days(today=today, began=began)
    whole = [today - n * DAY for n in range(1, days + 1)]
    if not whole:
        return None
    daily = sum((spent.get(each, Decimal(0)) for each in whole), Decimal(0)) / len(whole)
    month = today.replace(day=1)
    so_far = sum((amount for day, amount in spent.items() if day >= month), Decimal(0))
    rest_of_today = max(Decimal(0), daily - spent.get(today, Decimal(0)))
    return so_far + rest_of_today + daily * ((until - today).days - 1)
