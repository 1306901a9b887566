"""When which step is due: a table, and what is refused."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from billing.services.paying import dunning_rules as rules
from billing.services.paying.dunning_rules import History, Rules

PLAN = Rules((3, 10, 17), suspend_after=24, notice_after=45)
TODAY = date(2026, 3, 31)


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
    assert rules.reminder_due(PLAN, days=days, history=History(reminders=sent)) == number


@pytest.mark.parametrize(("days", "sent", "number"), [(2, 3, None), (30, 3, 4), (10, 3, 4)])
def test_of_what_is_open_again_there_is_one_reminder_more(
    days: int, sent: int, number: int | None
) -> None:
    history = History(reminders=sent, is_reopened=True)
    assert rules.reminder_due(PLAN, days=days, history=history) == number


@pytest.mark.parametrize(
    ("warned_on", "expected"),
    [
        (None, None),
        (date(2026, 3, 4), date(2026, 3, 25)),
        (date(2026, 3, 22), date(2026, 3, 25)),
        (date(2026, 3, 23), date(2026, 3, 26)),
        (date(2026, 6, 1), date(2026, 6, 4)),
    ],
)
def test_nothing_is_suspended_without_a_warning(
    warned_on: date | None, expected: date | None
) -> None:
    due_on = date(2026, 3, 1)
    assert rules.suspends_on(PLAN, due_on=due_on, warned_on=warned_on) == expected


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
    since = None if suspended_ago is None else TODAY - timedelta(days=suspended_ago)
    history = History(suspended_on=since, is_notice_given=given)
    assert rules.is_notice_due(PLAN, days=days, history=history, today=TODAY) is expected


def test_what_is_never_done_is_never_due() -> None:
    never = Rules((3,))
    assert rules.suspends_on(never, due_on=date(2020, 1, 1), warned_on=date(2020, 1, 9)) is None
    history = History(suspended_on=TODAY - timedelta(days=99))
    assert not rules.is_notice_due(never, days=999, history=history, today=TODAY)
    assert rules.reminder_due(Rules(()), days=999, history=History()) is None


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
