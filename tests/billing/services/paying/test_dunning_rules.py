"""When which step is due: a table, and what is refused."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from billing.services.paying import dunning_rules as rules
from billing.services.paying.dunning_rules import Rules, Step

PLAN = Rules((3, 10, 17), suspend_after=24, notice_after=45)
TODAY = date(2026, 3, 31)
SENT = {(Step.REMINDER, 1): TODAY - timedelta(days=10)}


def test_days_begin_after_the_due_date() -> None:
    assert rules.overdue_days(date(2026, 2, 28), date(2026, 2, 28)) == 0
    assert rules.overdue_days(date(2026, 2, 28), date(2026, 3, 1)) == 1
    assert rules.overdue_days(date(2026, 2, 28), date(2026, 1, 1)) == 0


@pytest.mark.parametrize(
    ("days", "sent", "number"),
    [
        (0, 0, None),
        (2, 0, None),
        (3, 0, 1),
        (3, 1, None),
        (9, 1, None),
        (10, 1, 2),
        (30, 0, 3),  # of what was missed only the newest
        (30, 3, None),
    ],
)
def test_which_reminder_is_due(days: int, sent: int, number: int | None) -> None:
    done = [(Step.REMINDER, each) for each in range(1, sent + 1)]
    assert rules.reminder_due(PLAN, days=days, done=done) == number


@pytest.mark.parametrize(
    ("days", "warned_ago", "expected"),
    [(23, 20, False), (24, 20, True), (24, 3, True), (24, 2, False), (90, None, False)],
)
def test_nothing_is_suspended_without_a_warning(
    days: int, warned_ago: int | None, expected: bool
) -> None:
    warned = {} if warned_ago is None else {(Step.REMINDER, 1): TODAY - timedelta(days=warned_ago)}
    assert rules.is_to_suspend(PLAN, days=days, done=warned, today=TODAY) is expected


@pytest.mark.parametrize(
    ("days", "suspended_ago", "given", "expected"),
    [
        (44, 30, False, False),
        (45, 21, False, True),
        (45, 20, False, False),
        (90, None, False, False),
        (60, 40, True, False),
    ],
)
def test_notice_is_given_once_and_long_after_a_suspension(
    days: int, suspended_ago: int | None, given: bool, expected: bool
) -> None:
    done = dict(SENT)
    if suspended_ago is not None:
        done[Step.SUSPENSION, 1] = TODAY - timedelta(days=suspended_ago)
    if given:
        done[Step.NOTICE, 1] = TODAY
    assert rules.is_notice_due(PLAN, days=days, done=done, today=TODAY) is expected


def test_what_is_never_done_is_never_due() -> None:
    never = Rules((3,))
    assert not rules.is_to_suspend(never, days=999, done=SENT, today=TODAY)
    done = {**SENT, (Step.SUSPENSION, 1): TODAY - timedelta(days=99)}
    assert not rules.is_notice_due(never, days=999, done=done, today=TODAY)
    assert rules.reminder_due(Rules(()), days=999, done=()) is None


@pytest.mark.parametrize(
    ("reminders", "suspend", "notice", "words"),
    [
        ((0,), None, None, "rising days from 1"),
        ((10, 3), None, None, "rising days from 1"),
        ((3, 3), None, None, "rising days from 1"),
        ((), 30, None, "days after the first reminder"),
        ((3,), 5, None, "days after the first reminder"),
        ((3,), None, 40, "after a suspension"),
        ((3,), 24, 24, "after a suspension"),
    ],
)
def test_rules_that_make_no_sense(
    reminders: tuple[int, ...], suspend: int | None, notice: int | None, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        Rules(reminders, suspend, notice)


def test_days_as_they_are_written() -> None:
    assert rules.parsed(" 3, 10,17 ") == [3, 10, 17]
    assert rules.parsed("") == []
    for text in ("three", "3 10", "-3", "3;4", "1000", "٣"):
        with pytest.raises(ValueError, match="with commas between them"):
            rules.parsed(text)
