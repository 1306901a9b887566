"""When a message to a channel may go out. Pure: every moment is passed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

GATHER = timedelta(seconds=10)  # what happens together is said together
HOUR = timedelta(hours=1)
# How long after an attempt that failed the next one comes; after the last, none.
PAUSES = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one time of day to another by a zone's clock; over midnight where that is earlier."""

    start: time
    end: time
    zone: ZoneInfo

    def over_at(self, moment: datetime) -> datetime:
        """The moment itself where it is not within them, otherwise when they end."""
        local = moment.astimezone(self.zone)
        now = local.time().replace(tzinfo=None, fold=0)
        if self.start <= self.end:
            within, tomorrow = self.start <= now < self.end, False
        else:
            within, tomorrow = now >= self.start or now < self.end, now >= self.start
        if not within:
            return moment
        day = local.date() + timedelta(days=tomorrow)
        end = datetime.combine(day, self.end, tzinfo=self.zone).astimezone(moment.tzinfo)
        return max(end, moment)


def due(
    *,
    now: datetime,
    lately: Sequence[datetime],
    per_hour: int,
    quiet: QuietHours | None,
) -> datetime:
    """When a message that is begun now goes out: soon, but not as one too many within an hour.

    ``lately`` is when the messages of the last hour went out, or will.
    """
    at = now + GATHER
    ours = sorted(each for each in lately if each > now - HOUR)
    if len(ours) >= per_hour:
        at = max(at, ours[-per_hour] + HOUR)
    return quiet.over_at(at) if quiet else at


def again(*, now: datetime, attempt: int) -> datetime | None:
    """When to try again after that many attempts failed; None where it is enough."""
    return now + PAUSES[attempt - 1] if attempt <= len(PAUSES) else None
