"""Looks that are written down: which count, which are excused, and how many in a row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hosting.models import (
    Excuse,
    Health,
    HealthMark,
    Instance,
    MaintenanceWindow,
    Operation,
    Probe,
)
from hosting.services.watching import health
from tests.hosting.looking_at import look, see
from tests.tenants.threads import at_once

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def book(up: Callable[[str], Instance]) -> Instance:
    """One that runs, and was never touched since."""
    return up("book")


def _operation(instance: Instance, kind: str, started_at: datetime, **more: object) -> Operation:
    return Operation.objects.create(
        instance=instance,
        kind=kind,
        started_at=started_at,
        requested_by_label="x",
        **{"state": "running", "lease_expires_at": NOW, **more},
    )


@pytest.mark.parametrize(
    ("pattern", "turns"),
    [
        ("UUUU", ""),
        ("DD", ""),
        ("DDD", "d"),
        ("UDDUDDU", ""),  # never three in a row
        ("DDDD", "dd"),  # nobody has settled it, so it is said again
        ("EEE", "d"),  # away at its address is away
        ("DED", "d"),
    ],
)
def test_it_takes_three_in_a_row_to_be_down(book: Instance, pattern: str, turns: str) -> None:
    seen = see(book, pattern, NOW)
    assert "".join("d" if each.is_down else "u" for each in seen) == turns


@pytest.mark.parametrize(("pattern", "is_over"), [("U", False), ("UD", False), ("UU", True)])
def test_it_takes_two_in_a_row_to_be_up_again(book: Instance, pattern: str, is_over: bool) -> None:
    see(book, "DDD", NOW)
    Health.objects.update(is_down=True)
    seen = see(book, pattern, NOW + timedelta(minutes=1))
    assert [each.is_down for each in seen] == ([False] if is_over else [])


def test_a_look_that_two_processes_made_counts_once(book: Instance) -> None:
    for _ in range(2):
        health.record(looks=[look(book, NOW, up=False)])
    assert Health.objects.get().failures == 1
    assert Probe.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_processes_at_once_count_once_too(book: Instance) -> None:
    done = at_once(*[lambda: health.record(looks=[look(book, NOW, up=False)])] * 4)
    assert [each.result() for each in done] == [[]] * 4
    assert Health.objects.get().failures == 1


def test_looks_that_waited_for_the_database_are_taken_in_their_order(book: Instance) -> None:
    late = [look(book, NOW + n * 15 * SECOND, up=n == 0) for n in (3, 0, 2, 1)]
    assert [each.is_down for each in health.record(looks=late)] == [True]
    row = Health.objects.get()
    assert (row.failures, row.failing_since) == (3, NOW + 15 * SECOND)


@pytest.mark.parametrize(
    ("kind", "begun", "ended", "excuse"),
    [
        ("restart", -20, None, Excuse.OPERATION),
        ("restart", 0, None, Excuse.OPERATION),  # begun while it was asked
        ("restart", -20, 5, Excuse.OPERATION),
        ("restart", -20, -5, Excuse.NONE),  # over before it was asked
        ("restart", -3700, None, Excuse.NONE),  # an hour is no excuse any more
        ("repair", -20, None, Excuse.NONE),  # it is repaired because it is down
    ],
)
def test_a_failure_amid_an_operation_is_excused(
    book: Instance, kind: str, begun: int, ended: int | None, excuse: str
) -> None:
    over = {} if ended is None else {"state": "succeeded", "finished_at": NOW + ended * SECOND}
    _operation(book, kind, NOW + begun * SECOND, **over)
    health.record(looks=[look(book, NOW, up=False)])
    assert Probe.objects.get().excuse == excuse
    assert Health.objects.filter(failures=1).exists() == (excuse == Excuse.NONE)


@pytest.mark.parametrize(
    ("pause", "excuse"),
    [(None, Excuse.NONE), ([], Excuse.NONE), (["web"], Excuse.OPERATION)],
)
def test_a_backup_excuses_only_where_it_holds_something_still(
    book: Instance, pause: list[str] | None, excuse: str
) -> None:
    definition = {**book.definition, "berth": {**book.definition["berth"]}}
    definition["berth"]["backup"] = {**definition["berth"].get("backup", {}), "pause": pause}
    Instance.objects.update(definition=definition)
    _operation(book, "backup", NOW - 20 * SECOND)
    health.record(looks=[look(book, NOW, up=False)])
    assert Probe.objects.get().excuse == excuse


def test_a_queued_operation_excuses_nothing(book: Instance) -> None:
    book.operations.create(kind="restart", requested_by_label="x")
    health.record(looks=[look(book, NOW, up=False)])
    assert Probe.objects.get().excuse == Excuse.NONE


def test_one_that_was_stopped_meanwhile_is_excused(book: Instance) -> None:
    Instance.objects.update(state="stopped")
    health.record(looks=[look(book, NOW, up=False)])
    assert Probe.objects.get().excuse == Excuse.STOPPED


def test_one_that_is_held_is_excused(book: Instance) -> None:
    held_for = _operation(book, "upgrade", NOW - 60 * SECOND)
    Instance.objects.update(held_for=held_for, is_routed=False)
    health.record(looks=[look(book, NOW, up=False)])
    assert Probe.objects.get().excuse == Excuse.HELD


@pytest.mark.parametrize("about", ["instance", "server", "all"])
@pytest.mark.parametrize(
    ("begins", "ends", "is_excused"),
    [(-60, 60, True), (0, 60, True), (1, 60, False), (-60, 0, False)],
)
def test_what_falls_into_maintenance_counts_neither_way(
    book: Instance, about: str, begins: int, ends: int, is_excused: bool
) -> None:
    MaintenanceWindow.objects.create(
        instance=book if about == "instance" else None,
        server=book.server if about == "server" else None,
        starts_at=NOW + begins * SECOND,
        ends_at=NOW + ends * SECOND,
        planned_at=NOW,
    )
    for up in (True, False):
        Probe.objects.all().delete()
        health.record(looks=[look(book, NOW, up=up)])
        assert Probe.objects.get().excuse == (Excuse.MAINTENANCE if is_excused else "")


def test_maintenance_of_another_or_called_off_excuses_nothing(
    book: Instance, order: Callable[..., Instance]
) -> None:
    window = {"starts_at": NOW, "ends_at": NOW + 60 * SECOND, "planned_at": NOW}
    MaintenanceWindow.objects.create(instance=order("other"), **window)
    MaintenanceWindow.objects.create(instance=book, cancelled_at=NOW, **window)
    health.record(looks=[look(book, NOW, up=False)])
    assert Probe.objects.get().excuse == ""


def test_an_instance_that_is_gone_is_no_trouble(book: Instance) -> None:
    gone = look(book, NOW)
    book.pk = book.server_id  # an id that no instance has
    assert health.record(looks=[look(book, NOW), gone]) == []
    assert Probe.objects.count() == 1


def test_a_second_is_one_statement_however_many_looks(
    book: Instance, up: Callable[[str], Instance]
) -> None:
    looks = [look(up(f"n{n}"), NOW + n * SECOND) for n in range(5)]
    with CaptureQueriesContext(connection) as asked:
        health.record(looks=looks)
    assert sum("INSERT INTO hosting_probe" in each["sql"] for each in asked) == 1
    assert len(asked) <= 4  # with the lock, and a savepoint in this test's transaction
    assert HealthMark.objects.count() == 5
