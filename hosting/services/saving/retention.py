"""Which backups to keep: pure, over the days, weeks, months and years of a time zone."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Policy:
    """Of how many days, weeks, months and years the newest backup is kept."""

    daily: int
    weekly: int
    monthly: int
    yearly: int


@dataclass(frozen=True, slots=True)
class Kept:
    """One good backup, as far as keeping it goes."""

    id: uuid.UUID
    taken_at: datetime
    is_pinned: bool


def let_go(backups: Iterable[Kept], *, policy: Policy, zone: str) -> frozenset[uuid.UUID]:
    """The backups that nothing speaks for: not pinned, not the newest, and of no period kept.

    A period that has no backup does not use up one of those that are kept: after a month without
    any, the last week before it is still there.
    """
    newest_first = sorted(backups, key=lambda each: each.taken_at, reverse=True)
    keep = {each.id for each in newest_first[:1]} | {
        each.id for each in newest_first if each.is_pinned
    }
    for count, period in (
        (policy.daily, _day),
        (policy.weekly, _week),
        (policy.monthly, _month),
        (policy.yearly, _year),
    ):
        keep |= _newest_of_each(newest_first, count, period, ZoneInfo(zone))
    return frozenset(each.id for each in newest_first if each.id not in keep)


def _newest_of_each(
    newest_first: list[Kept],
    count: int,
    period: Callable[[datetime], tuple[int, ...]],
    zone: ZoneInfo,
) -> set[uuid.UUID]:
    chosen: dict[tuple[int, ...], uuid.UUID] = {}
    for each in newest_first:
        chosen.setdefault(period(each.taken_at.astimezone(zone)), each.id)
    return set(list(chosen.values())[:count])


def _day(at: datetime) -> tuple[int, ...]:
    return (at.year, at.month, at.day)


def _week(at: datetime) -> tuple[int, ...]:
    return at.isocalendar()[:2]


def _month(at: datetime) -> tuple[int, ...]:
    return (at.year, at.month)


def _year(at: datetime) -> tuple[int, ...]:
    return (at.year,)
