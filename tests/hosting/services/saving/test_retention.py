"""Which backups are let go: pure."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hosting.services.saving.retention import Kept, Policy, let_go

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
WEEK_AND_MORE = Policy(daily=7, weekly=4, monthly=3, yearly=1)


def one(at: datetime, *, is_pinned: bool = False) -> Kept:
    return Kept(uuid.uuid4(), at, is_pinned)


def nightly(count: int, *, pinned: frozenset[int] = frozenset()) -> list[Kept]:
    """One a night, the newest first; ``pinned`` by how many nights ago."""
    return [one(NOW - timedelta(days=ago), is_pinned=ago in pinned) for ago in range(count)]


def nights_kept(backups: list[Kept], policy: Policy, zone: str = "UTC") -> list[int]:
    gone = let_go(backups, policy=policy, zone=zone)
    return [(NOW - each.taken_at).days for each in backups if each.id not in gone]


def test_a_year_of_nights_leaves_days_weeks_months_and_years() -> None:
    kept = nights_kept(nightly(400), WEEK_AND_MORE)
    assert kept[:7] == [0, 1, 2, 3, 4, 5, 6]
    # The newest of a week is its Sunday; that of the months are 31 October and 30 September.
    assert kept[7:] == [13, 20, 21, 52]


@pytest.mark.parametrize("policy", [Policy(1, 0, 0, 0), Policy(0, 0, 0, 0)])
def test_the_newest_is_never_let_go(policy: Policy) -> None:
    assert nights_kept(nightly(5), policy) == [0]


def test_what_is_pinned_stays_and_uses_up_no_period() -> None:
    assert nights_kept(nightly(30, pinned=frozenset({25})), Policy(2, 0, 0, 0)) == [0, 1, 25]


def test_a_night_that_was_missed_uses_up_no_day() -> None:
    backups = [each for ago, each in enumerate(nightly(10)) if ago not in (1, 2)]
    assert nights_kept(backups, Policy(3, 0, 0, 0)) == [0, 3, 4]


def test_a_day_is_the_clients_own() -> None:
    late = one(datetime(2026, 11, 20, 23, 30, tzinfo=UTC))
    early = one(datetime(2026, 11, 20, 0, 30, tzinfo=UTC))
    assert let_go([late, early], policy=Policy(2, 0, 0, 0), zone="UTC") == {early.id}
    assert let_go([late, early], policy=Policy(2, 0, 0, 0), zone="Europe/Berlin") == frozenset()


@given(
    hours=st.lists(st.integers(0, 24 * 900), min_size=1, max_size=60, unique=True),
    pinned=st.sets(st.integers(0, 59)),
    counts=st.tuples(*[st.integers(0, 5)] * 4),
)
def test_whatever_there_is(
    hours: list[int], pinned: set[int], counts: tuple[int, int, int, int]
) -> None:
    backups = [
        one(NOW - timedelta(hours=each), is_pinned=index in pinned)
        for index, each in enumerate(hours)
    ]
    policy = Policy(*counts)
    gone = let_go(backups, policy=policy, zone="UTC")
    left = [each for each in backups if each.id not in gone]
    assert max(backups, key=lambda each: each.taken_at) in left
    assert all(each in left for each in backups if each.is_pinned)
    assert len([each for each in left if not each.is_pinned]) <= sum(counts) + 1
    assert let_go(left, policy=policy, zone="UTC") == frozenset()  # once is enough
