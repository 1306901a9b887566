"""When an overdue invoice is reminded of, and its client's instances are suspended: pure rules.

Days are counted from the day after the due date, by the client's clock. Of what was missed, because
nothing ran for a while, only the newest reminder is sent; and nothing is suspended of which nobody
was warned at least ``WARNING_DAYS`` before, nor is notice given to whom nothing was suspended.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

WARNING_DAYS = 3


class Step(StrEnum):
    """What can be done about an overdue invoice, once each; reminders by number."""

    REMINDER = "reminder"
    SUSPENSION = "suspension"
    NOTICE = "notice"


Key = tuple[Step, int]


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


def overdue_days(due_on: date, today: date) -> int:
    """How many days it is overdue; 0 on the day itself and before."""
    return max((today - due_on).days, 0)


def reminder_due(rules: Rules, *, days: int, done: Collection[Key]) -> int | None:
    """The number of the newest reminder whose day has come, from 1 on, unless it was sent."""
    number = sum(1 for day in rules.reminders if day <= days)
    sent = max((n for step, n in done if step == Step.REMINDER), default=0)
    return number if number > sent else None


def is_to_suspend(rules: Rules, *, days: int, done: Mapping[Key, date], today: date) -> bool:
    """Whether the client's instances are to be out of use for this invoice."""
    if rules.suspend_after is None or days < rules.suspend_after:
        return False
    warned = [on for (step, _), on in done.items() if step == Step.REMINDER]
    return bool(warned) and min(warned) <= today - timedelta(days=WARNING_DAYS)


def is_notice_due(rules: Rules, *, days: int, done: Mapping[Key, date], today: date) -> bool:
    """Whether notice is to be given now: once, and after days of suspension."""
    if rules.notice_after is None or days < rules.notice_after or (Step.NOTICE, 1) in done:
        return False
    suspended = done.get((Step.SUSPENSION, 1))
    least = timedelta(days=rules.notice_after - (rules.suspend_after or 0))
    return suspended is not None and suspended <= today - least


def parsed(text: str) -> Sequence[int]:
    """Days as a person writes them: ``3, 10, 17``. ``ValueError`` with a sentence."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not all(word.isascii() and word.isdigit() and len(word) <= 3 for word in words):
        raise ValueError("Write days with commas between them, such as 3, 10, 17.")
    return [int(word) for word in words]
