"""The partitions of tables that grow with time: made ahead, and dropped when they are too old.

Nothing is lost where a partition is missing: its rows go to the table's default partition, and are
moved when the partition is made after all, for times long past as well. Any number of processes may
do this at once; one does it, the others find it done.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from django.conf import settings
from django.db import connection, transaction
from psycopg import sql

from hosting.models.partitioning import default_of

logger = logging.getLogger(__name__)

_LOCK = 0x42657274680003  # pg_advisory_xact_lock: one process at a time makes or drops partitions
# A statement that waits for a lock makes all others of the table wait behind it: better try again.
_LOCK_TIMEOUT = "3s"
MOST_MENDED = 400  # partitions that are made for rows of the default one, in one go


class Period(StrEnum):
    """How much time one partition holds, in UTC."""

    DAY = "day"
    MONTH = "month"

    def start(self, at: datetime | date) -> date:
        """The first day of the partition that holds the moment."""
        day = at.astimezone(UTC).date() if isinstance(at, datetime) else at
        return day if self is Period.DAY else day.replace(day=1)

    def next(self, start: date) -> date:
        """The first day of the one after it."""
        if self is Period.DAY:
            return start + timedelta(days=1)
        return (start + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True, slots=True)
class Partitioned:
    """A table made by ``CreatePartitioned``: by which column, in what periods, and kept how long.

    ``ahead`` is for how long from now on there are always partitions.
    """

    table: str
    by: str
    period: Period
    keep: timedelta
    ahead: timedelta = timedelta(days=7)

    def name(self, start: date) -> str:
        """Of the partition that begins on that day."""
        digits = "%Y%m%d" if self.period is Period.DAY else "%Y%m"
        return f"{self.table}_p{start.strftime(digits)}"

    def start_of(self, name: str) -> date | None:
        """The day that a partition begins on; None for one that was not made here."""
        match = re.fullmatch(rf"{re.escape(self.table)}_p(\d{{4}})(\d\d)(\d\d)?", name)
        if match is None or (match[3] is None) != (self.period is Period.MONTH):
            return None
        return date(int(match[1]), int(match[2]), int(match[3] or 1))


_SAMPLES, _ROLLUPS = settings.BERTH_SAMPLES_KEPT, settings.BERTH_ROLLUPS_KEPT
_LOOKS = settings.BERTH_PROBES_KEPT
TABLES: tuple[Partitioned, ...] = (
    Partitioned(
        "hosting_usageevent",
        by="at",
        period=Period.MONTH,
        keep=settings.BERTH_USAGE_EVENTS_KEPT,
    ),
    Partitioned("hosting_sample", by="at", period=Period.DAY, keep=_SAMPLES),
    Partitioned("hosting_volumesample", by="at", period=Period.DAY, keep=_SAMPLES),
    Partitioned("hosting_resourcequarter", by="at", period=Period.MONTH, keep=_ROLLUPS),
    Partitioned("hosting_probe", by="at", period=Period.DAY, keep=_LOOKS),
    Partitioned("hosting_containerlook", by="at", period=Period.DAY, keep=_LOOKS),
    Partitioned(
        "hosting_healthslot", by="start", period=Period.MONTH, keep=settings.BERTH_HEALTH_KEPT
    ),
)


def keep_up(*, now: datetime, tables: tuple[Partitioned, ...] = TABLES) -> None:
    """Make what is missing of all tables, and drop what is too old. One's trouble is its own."""
    failed: list[Exception] = []
    for table in tables:
        try:
            ensure(table=table, now=now)
            drop_before(table=table, at=now - table.keep)
        except Exception as error:
            logger.exception("the partitions of %s could not be kept up", table.table)
            failed.append(error)
    if failed:
        raise failed[0]


def ensure(*, table: Partitioned, now: datetime) -> int:
    """Make the partitions for the coming time, and for what lies in the default one; how many.

    Rows that are older than the table keeps, or later than ``ahead``, stay in the default one.
    """
    wanted = {*_coming(table, now), *_strayed(table, now)}
    return sum(_make(table, start) for start in sorted(wanted - _existing(table).keys()))


def ensure_since(*, table: Partitioned, since: datetime, now: datetime) -> int:
    """Make the partitions of a time that is past, before anything is put there; how many."""
    starts = [table.period.start(since)]
    while _midnight(starts[-1]) < now:
        starts.append(table.period.next(starts[-1]))
    return sum(_make(table, start) for start in starts if start not in _existing(table))


def drop_before(*, table: Partitioned, at: datetime) -> int:
    """Drop the partitions that hold nothing from that moment on; how many.

    What the default one holds of that time is deleted.
    """
    dropped = 0
    for start, name in sorted(_existing(table).items()):
        if _midnight(table.period.next(start)) <= at:
            _drop(name)
            dropped += 1
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("DELETE FROM {default} WHERE {by} < %s").format(**_names(table)),
            [_midnight(table.period.start(at))],
        )
    return dropped


def _coming(table: Partitioned, now: datetime) -> list[date]:
    starts = [table.period.start(now)]
    while _midnight(starts[-1]) < now + table.ahead:
        starts.append(table.period.next(starts[-1]))
    return starts


def _strayed(table: Partitioned, now: datetime) -> list[date]:
    """The periods that rows of the default partition belong to."""
    query = sql.SQL(
        "SELECT DISTINCT date_trunc({period}, {by} AT TIME ZONE 'UTC')::date FROM {default}"
        " WHERE {by} >= %s AND {by} < %s ORDER BY 1 LIMIT %s"
    ).format(period=sql.Literal(str(table.period)), **_names(table))
    since = table.period.start(now - table.keep)
    with connection.cursor() as cursor:
        cursor.execute(query, [_midnight(since), now + table.ahead, MOST_MENDED])
        return [start for (start,) in cursor.fetchall()]


def _existing(table: Partitioned) -> dict[date, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
            " WHERE inhparent = to_regclass(quote_ident(%s))",
            [table.table],
        )
        names = [name for (name,) in cursor.fetchall()]
    return {start: name for name in names if (start := table.start_of(name)) is not None}


@transaction.atomic
def _make(table: Partitioned, start: date) -> bool:
    """Whether it was made here: beside the table, filled from the default one, then attached.

    Reading and writing go on, but for a moment in the default partition. A partition made by
    ``PARTITION OF`` would lock the whole table, and fail for rows that the default one holds.
    """
    _take_turn()
    if start in _existing(table):
        return False
    names = _names(table) | {
        "partition": sql.Identifier(table.name(start)),
        "since": sql.Literal(_midnight(start)),
        "until": sql.Literal(_midnight(table.period.next(start))),
    }
    with connection.cursor() as cursor:
        for statement in (
            "LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE",
            "LOCK TABLE ONLY {default} IN ACCESS EXCLUSIVE MODE",
            "CREATE TABLE {partition} (LIKE {table} INCLUDING ALL)",
            "WITH strayed AS (DELETE FROM {default} WHERE {by} >= {since} AND {by} < {until}"
            " RETURNING *) INSERT INTO {partition} SELECT * FROM strayed",
            "ALTER TABLE {table} ATTACH PARTITION {partition}"
            " FOR VALUES FROM ({since}) TO ({until})",
        ):
            cursor.execute(sql.SQL(statement).format(**names))
    return True


@transaction.atomic
def _drop(name: str) -> None:
    _take_turn()
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(name)))


def _take_turn() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")


def _names(table: Partitioned) -> dict[str, sql.Composable]:
    return {
        "table": sql.Identifier(table.table),
        "default": sql.Identifier(default_of(table.table)),
        "by": sql.Identifier(table.by),
    }


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
