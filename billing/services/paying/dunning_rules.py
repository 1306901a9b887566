"""When an overdue invoice is reminded of, and its client's instances are suspended: pure rules.

Days are counted from the day after the due date, by the client's clock. Of what was missed, because
nothing ran for a while, only the newest reminder is sent; and nothing is suspended of which nobody
was told at least ``WARNING_DAYS`` before, nor is notice given to whom nothing was suspended.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from billing import currencies

WARNING_DAYS = 3
MOST = Decimal(10) ** 9
_SUM = re.compile(r"([A-Za-z]{3}) *(\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class Rules:
    """After how many days what is done; None is never. Reminders rise."""

    reminders: tuple[int, ...]
    suspend_after: int | None = None
    notice_after: int | None = None

    def __post_init__(self) -> None:
        """``ValueError`` with a sentence where that makes no sense."""
        if any(day < 1 for day in self.reminders) or list(self.reminders) != sorted(
            set(self.reminders)
        ):
            raise ValueError("Reminders are on rising days from 1 on, such as 3, 10, 17.")
        if self.suspend_after is not None:
            first = self.reminders[0] if self.reminders else None
            if first is None or self.suspend_after < first + WARNING_DAYS:
                raise ValueError(
                    f"Suspend no sooner than {WARNING_DAYS} days after the first reminder."
                )
        if self.notice_after is not None and (
            self.suspend_after is None or self.notice_after <= self.suspend_after
        ):
            raise ValueError("Notice is given after a suspension.")


@dataclass(frozen=True, slots=True)
class History:
    """What was done about an open invoice, since it last became so.

    ``warned_on`` is the day on which its client first was told, not that on which we meant to.
    """

    reminders: int = 0  # the number of the last one
    is_reopened: bool = False  # what had paid it was taken back after the last reminder
    warned_on: date | None = None
    suspended_on: date | None = None  # the last time, unless that has ended
    is_notice_given: bool = False


def counted_from(owed: Sequence[tuple[date, Decimal]], least: Decimal) -> date | None:
    """Since when as much is overdue as is reminded of: the due date from which days are counted.

    ``owed`` are the due dates and open sums of all that is overdue, the first due before the
    others. What is due earlier is late from that day on only: before, it was too little to be told
    of. None where all of it is below the least, or nothing is owed.
    """
    total = Decimal(0)
    for due_on, amount in owed:
        total += amount
        if total >= least:
            return due_on
    return None


def overdue_days(due_on: date, today: date) -> int:
    """How many days it is overdue; 0 on the day itself and before."""
    return max((today - due_on).days, 0)


def reminder_due(rules: Rules, *, days: int, history: History) -> int | None:
    """The number of the newest reminder whose day has come, from 1 on, unless it was sent.

    Where the invoice is open again, one more than those that were sent before.
    """
    number = sum(1 for day in rules.reminders if day <= days)
    if number and history.is_reopened:
        return history.reminders + 1
    return number if number > history.reminders else None


def suspends_on(rules: Rules, *, due_on: date, warned_on: date | None) -> date | None:
    """The day on which its client's instances are suspended if nothing comes; None is never."""
    if rules.suspend_after is None or warned_on is None:
        return None
    least = warned_on + timedelta(days=WARNING_DAYS)
    return max(due_on + timedelta(days=rules.suspend_after), least)


def is_notice_due(rules: Rules, *, days: int, history: History, today: date) -> bool:
    """Whether notice is to be given now: once, and after days of suspension."""
    if rules.notice_after is None or days < rules.notice_after or history.is_notice_given:
        return False
    least = timedelta(days=rules.notice_after - (rules.suspend_after or 0))
    return history.suspended_on is not None and history.suspended_on <= today - least


def parsed_sums(text: str) -> Mapping[str, Decimal]:
    """Sums by currency as a person writes them: ``EUR 10.00, CHF 12``.

    ``ValueError`` with a sentence for what is no such list, names a currency twice, is nothing, or
    has more decimals than its currency.
    """
    found: dict[str, Decimal] = {}
    for word in filter(None, (each.strip() for each in text.split(","))):
        seen = _SUM.fullmatch(word)
        if seen is None or not word.isascii():
            raise ValueError("Write sums with their currencies, such as EUR 10.00, CHF 12.00.")
        currency, amount = seen[1].upper(), Decimal(seen[2])
        if currency in found:
            raise ValueError(f"{currency} is there twice.")
        if (
            not 0 < amount < MOST
            or currencies.rounded(amount, currencies.exponent(currency)) != amount
        ):
            raise ValueError(f"“{word[:40]}” is no sum above 0 as {currency} has it.")
        found[currency] = amount
    return found


def parsed(text: str) -> Sequence[int]:
    """Days as a person writes them: ``3, 10, 17``. ``ValueError`` with a sentence."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not all(word.isascii() and word.isdigit() and len(word) <= 3 for word in words):
        raise ValueError("Write days with commas between them, such as 3, 10, 17.")
    return [int(word) for word in words]
