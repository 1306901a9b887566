"""When a message goes out: gathered, not too often, and not in quiet hours."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from hosting.services.telling.sending_times import GATHER, PAUSES, QuietHours, again, due

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
NIGHT = QuietHours(time(22), time(7), BERLIN)
NOON = QuietHours(time(12), time(14), BERLIN)


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("quiet", "moment", "over"),
    [
        (NIGHT, "2026-03-20T20:59", "2026-03-20T20:59"),
        (NIGHT, "2026-03-20T21:00", "2026-03-21T06:00"),
        (NIGHT, "2026-03-21T05:59", "2026-03-21T06:00"),
        (NIGHT, "2026-03-21T06:00", "2026-03-21T06:00"),
        (NIGHT, "2026-03-28T23:30", "2026-03-29T05:00"),  # the night of 23 hours
        (NIGHT, "2026-10-24T21:30", "2026-10-25T06:00"),  # and that of 25
        (NOON, "2026-03-20T10:59", "2026-03-20T10:59"),
        (NOON, "2026-03-20T11:00", "2026-03-20T13:00"),
        (NOON, "2026-03-20T13:00", "2026-03-20T13:00"),
        # An end that does not exist on that day is where the clock goes on.
        (QuietHours(time(1), time(2, 30), BERLIN), "2026-03-29T00:30", "2026-03-29T01:30"),
    ],
)
def test_quiet_hours_end_by_the_clients_clock(quiet: QuietHours, moment: str, over: str) -> None:
    assert quiet.over_at(_utc(moment)) == _utc(over)


@pytest.mark.parametrize(
    ("minutes_ago", "waits"),
    [([], GATHER), ([59, 58], GATHER), ([59, 30, 5], timedelta(minutes=1)), ([61, 30, 5], GATHER)],
)
def test_no_more_than_so_many_go_out_within_an_hour(
    minutes_ago: list[int], waits: timedelta
) -> None:
    lately = [NOW - timedelta(minutes=each) for each in minutes_ago]
    assert due(now=NOW, lately=lately, per_hour=3, quiet=None) == NOW + waits


def test_it_is_tried_again_ever_later_and_not_for_ever() -> None:
    found = [again(now=NOW, attempt=number) for number in range(1, len(PAUSES) + 2)]
    assert found[:-1] == [NOW + each for each in PAUSES]
    assert found[-1] is None
