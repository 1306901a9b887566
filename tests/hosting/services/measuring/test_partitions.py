"""Partitions by time: made ahead, filled from the default one, dropped when too old."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import ProgrammingError, connection, models
from django.db.migrations.state import ProjectState

from hosting.models.partitioning import CreatePartitioned
from hosting.services.measuring import partitions
from hosting.services.measuring.partitions import Partitioned, Period
from tests.tenants.threads import at_once

NOON = datetime(2026, 1, 30, 12, tzinfo=UTC)
DAILY = Partitioned(
    "hosting_reading", by="at", period=Period.DAY, keep=timedelta(days=3), ahead=timedelta(days=2)
)
MONTHLY = Partitioned("hosting_reading", by="at", period=Period.MONTH, keep=timedelta(days=400))
CREATE = CreatePartitioned(
    "Reading",
    by="at",
    fields=[
        ("pk", models.CompositePrimaryKey("meter", "at")),
        ("meter", models.IntegerField()),
        ("at", models.DateTimeField()),
        ("value", models.FloatField(default=0)),
    ],
    options={"indexes": [models.Index(fields=("value",), name="reading_by_value")]},
)


def _create() -> None:
    state = ProjectState()
    CREATE.state_forwards("hosting", state)
    with connection.schema_editor() as editor:
        CREATE.database_forwards("hosting", editor, ProjectState(), state)


@pytest.fixture
def table(db: None) -> None:
    _create()


def _insert(*moments: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO hosting_reading (meter, at, value) VALUES (1, %s, 2)",
            [(each,) for each in moments],
        )


def _rows() -> dict[str, int]:
    """How many rows lie in which partition."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text, count(*) FROM hosting_reading GROUP BY 1")
        return {name.removeprefix("hosting_reading_"): count for name, count in cursor.fetchall()}


def _partitions() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits"
            " WHERE inhparent = 'hosting_reading'::regclass ORDER BY 1"
        )
        return [name.removeprefix("hosting_reading_") for (name,) in cursor.fetchall()]


@pytest.mark.usefixtures("table")
def test_there_are_partitions_for_the_coming_days_and_a_second_time_changes_nothing() -> None:
    assert partitions.ensure(table=DAILY, now=NOON) == 4
    assert _partitions() == ["default", "p20260130", "p20260131", "p20260201", "p20260202"]
    assert partitions.ensure(table=DAILY, now=NOON) == 0
    _insert(NOON, NOON + timedelta(days=1, hours=12))
    assert _rows() == {"p20260130": 1, "p20260201": 1}


@pytest.mark.usefixtures("table")
def test_what_came_before_its_partition_is_kept_and_moved_there() -> None:
    midnight = NOON.replace(hour=0)
    _insert(NOON, midnight, midnight - timedelta(microseconds=1))
    assert _rows() == {"default": 3}
    partitions.ensure(table=DAILY, now=NOON)
    assert _rows() == {"p20260130": 2, "p20260129": 1}


@pytest.mark.usefixtures("table")
def test_months_end_where_the_next_begins() -> None:
    _insert(NOON, datetime(2026, 2, 1, tzinfo=UTC), datetime(2025, 12, 31, 23, tzinfo=UTC))
    partitions.ensure(table=MONTHLY, now=NOON)
    assert _rows() == {"p202512": 1, "p202601": 1, "p202602": 1}


@pytest.mark.usefixtures("table")
def test_impossible_times_make_no_partitions() -> None:
    _insert(NOON + timedelta(days=4000), NOON - timedelta(days=4000))
    assert partitions.ensure(table=DAILY, now=NOON) == 4
    assert _rows() == {"default": 2}


@pytest.mark.usefixtures("table")
def test_what_is_too_old_is_dropped_from_the_default_partition_too() -> None:
    days = [NOON - timedelta(days=ago) for ago in range(6)]
    _insert(*days[:5])
    partitions.ensure(table=DAILY, now=NOON - timedelta(days=2))
    _insert(days[5])
    partitions.keep_up(now=NOON, tables=(DAILY,))
    assert _rows() == {"p20260130": 1, "p20260129": 1, "p20260128": 1, "p20260127": 1}
    assert "p20260126" not in _partitions()


@pytest.mark.usefixtures("table")
def test_partitions_have_the_indexes_and_the_key_of_the_table() -> None:
    partitions.ensure(table=DAILY, now=NOON)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexdef FROM pg_indexes WHERE tablename = 'hosting_reading_p20260130'"
        )
        made = " ".join(text for (text,) in cursor.fetchall())
    assert "UNIQUE" in made
    assert "(meter, at)" in made
    assert "(value)" in made


def test_names_that_are_not_of_a_table_are_left_alone() -> None:
    assert DAILY.start_of("hosting_reading_p20260130") == date(2026, 1, 30)
    assert DAILY.start_of("hosting_reading_p202601") is None
    assert DAILY.start_of("hosting_reading_default") is None
    assert MONTHLY.start_of("hosting_reading_p202601") == date(2026, 1, 1)
    assert MONTHLY.start_of("hosting_reading_p20260130") is None


@pytest.fixture
def committed_table(transactional_db: None) -> Iterator[None]:
    _create()
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE hosting_reading")


@pytest.mark.usefixtures("committed_table")
def test_several_at_once_make_each_partition_once() -> None:
    _insert(NOON)
    makers = at_once(*[lambda: partitions.ensure(table=DAILY, now=NOON)] * 4)
    assert sum(each.result() for each in makers) == 4
    assert _rows() == {"p20260130": 1}


@pytest.mark.usefixtures("committed_table")
def test_one_table_that_fails_keeps_no_other_back(caplog: pytest.LogCaptureFixture) -> None:
    missing = Partitioned("missing", by="at", period=Period.DAY, keep=timedelta(days=1))
    with pytest.raises(ProgrammingError, match="missing_default"):
        partitions.keep_up(now=NOON, tables=(missing, DAILY))
    assert "the partitions of missing could not be kept up" in caplog.text
    assert "p20260130" in _partitions()
