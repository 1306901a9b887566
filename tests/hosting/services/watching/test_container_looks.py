"""Looks at containers: which count, how many in a row, and the incident that comes of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hosting.engines.observed import ContainerState, Health, Reading, Standing
from hosting.models import (
    ContainerHealth,
    ContainerLook,
    Crash,
    HealthMark,
    Incident,
    Instance,
    MaintenanceWindow,
    Notification,
    Operation,
)
from hosting.selectors.watching import incident_timelines
from hosting.services.watching import container_looks, incidents, outages
from tests.hosting.looking_at import see

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
LOOK = 15 * SECOND
Kind = Incident.Kind
_WORDS = {
    "W": ContainerState.RUNNING,
    "X": ContainerState.EXITED,
    "R": ContainerState.RESTARTING,
    "P": ContainerState.PAUSED,
}


@pytest.fixture
def book(up: Callable[[str], Instance]) -> Instance:
    """One that has run for a day: a web front and a worker."""
    instance = up("book")
    instance.expected = {"services": {"web": ["w", []], "worker": ["k", []]}}
    instance.save(update_fields=["expected"])
    return instance


def at_containers(instance: Instance, pattern: str, since: datetime = NOW) -> None:
    """A look for each character, at the worker: Well, eXited, Restarting, Paused, -: missing."""
    for number, each in enumerate(pattern):
        worker = (
            [Standing("worker", _WORDS[each], Health.NONE, "k", 137 if each in "XR" else None)]
            if each in _WORDS
            else []
        )
        web = Standing("web", ContainerState.RUNNING, Health.HEALTHY, "w")
        at = since + number * LOOK
        container_looks.record(
            server=instance.server,
            readings={str(instance.pk): Reading(standings=(web, *worker))},
            at=at,
            ended_at=at + SECOND / 10,
        )


def _open() -> list[str]:
    return list(Incident.objects.filter(closed_at=None).values_list("kind", flat=True))


@pytest.mark.parametrize(
    ("pattern", "is_failing", "failures"),
    [
        ("W", False, 0),
        ("XX", False, 2),
        ("XXX", True, 3),
        ("X-P", True, 3),
        ("XXWX", False, 1),
        ("XXXW", True, 0),
        ("XXXWX", True, 1),
        ("XXXWW", False, 0),
    ],
)
def test_as_many_in_a_row_as_for_the_app(
    book: Instance, pattern: str, is_failing: bool, failures: int
) -> None:
    at_containers(book, pattern)
    now = ContainerHealth.objects.get()
    assert (now.is_failing, now.failures) == (is_failing, failures)
    assert (now.failing_since is not None) == (is_failing or failures > 0)


def test_only_looks_that_failed_and_the_first_well_one_are_kept(book: Instance) -> None:
    at_containers(book, "WWXXWWW")
    kept = ContainerLook.objects.order_by("at").values_list("at", "is_well", "faults")
    assert list(kept) == [
        (NOW + 2 * LOOK, False, "worker exited (137)"),
        (NOW + 3 * LOOK, False, "worker exited (137)"),
        (NOW + 4 * LOOK, True, ""),
    ]
    assert ContainerHealth.objects.get().shown == "2 of 2 running"


def test_how_many_are_in_which_state_is_counted(book: Instance) -> None:
    for pattern, states in (("W", {}), ("WX", {"exited": 1}), ("WX-", {"missing": 1})):
        at_containers(book, pattern)
        assert ContainerHealth.objects.get().states == states


def test_the_same_look_again_and_one_that_comes_late_count_for_nothing(book: Instance) -> None:
    at_containers(book, "WX")
    at_containers(book, "WX")
    assert ContainerHealth.objects.get().failures == 1


def test_uptime_knows_nothing_of_them(book: Instance) -> None:
    at_containers(book, "XXX")
    assert not HealthMark.objects.exists()


def test_what_is_in_maintenance_is_excused(book: Instance) -> None:
    MaintenanceWindow.objects.create(
        server=book.server,
        starts_at=NOW - MINUTE,
        ends_at=NOW + MINUTE,
        what="New disks.",
        planned_by_label="x",
        planned_at=NOW - 2 * MINUTE,
    )
    at_containers(book, "XXX")
    assert {each.excuse for each in ContainerLook.objects.all()} == {"maintenance"}
    assert not ContainerHealth.objects.exists()


@pytest.mark.parametrize(("kind", "excuse"), [("restart", "operation"), ("repair", "")])
def test_what_an_operation_did_is_excused_and_a_repair_excuses_nothing(
    book: Instance, kind: str, excuse: str
) -> None:
    Operation.objects.create(
        instance=book,
        kind=kind,
        state="succeeded",
        started_at=NOW - SECOND,
        finished_at=NOW + SECOND / 20,  # amid the look, which was written later
        requested_by_label="x",
    )
    at_containers(book, "X")
    assert ContainerLook.objects.get().excuse == excuse


def test_held_requests_excuse_it(book: Instance) -> None:
    holding = Operation.objects.create(
        instance=book,
        kind="repair",
        state="running",
        started_at=NOW - SECOND,
        lease_expires_at=NOW + MINUTE,
        requested_by_label="x",
    )
    Instance.objects.update(held_for=holding, is_routed=False)
    at_containers(book, "X")
    assert ContainerLook.objects.get().excuse == "held"


@pytest.mark.parametrize(
    "change",
    [
        {"state": "stopped"},
        {"state": "new", "first_running_at": None},
        {"delete_requested_at": NOW},
        {"expected": {}},
    ],
)
def test_what_is_not_to_run_is_not_looked_at(book: Instance, change: dict[str, object]) -> None:
    Instance.objects.update(**change)
    at_containers(book, "XXX")
    assert not ContainerLook.objects.exists()


def test_a_part_that_is_away_is_an_incident_with_its_history(book: Instance) -> None:
    see(book, "UUUU", NOW)
    at_containers(book, "WXXX")
    (incident,) = outages.settle(now=NOW + MINUTE)
    assert outages.settle(now=NOW + MINUTE) == []
    assert incident.kind == Kind.PART_DOWN
    assert incident.summary == (
        "acme/book runs only in part since 2026-03-20 12:00:15 UTC: worker exited (137)."
    )
    told = Notification.objects.get(client=book.client)
    assert told.title == "book is degraded"
    at_containers(book, "WW", NOW + 2 * MINUTE)
    outages.settle(now=NOW + 3 * MINUTE)
    assert _open() == []
    incident.refresh_from_db()
    entries = incident_timelines.for_client(incident, client=book.client, now=NOW + 4 * MINUTE)
    lines = [(each.kind, each.text) for each in entries if each.kind != "told"]
    assert lines == [
        ("failing", "3 looks in a row at its containers failed: worker exited (137)."),
        ("opened", "It runs only in part: worker exited (137)."),
        ("well", "All its containers were well again."),
        ("closed", "All its containers are well."),
    ]


def test_where_the_app_is_away_too_it_is_the_cause_at_once(book: Instance) -> None:
    crash = Crash(instance=book, service="worker", kind=Crash.Kind.OUT_OF_MEMORY, at=NOW - SECOND)
    crash.save()
    see(book, "DDD", NOW)
    at_containers(book, "XXX")
    (incident,) = outages.settle(now=NOW + MINUTE)
    assert incident.kind == Kind.INSTANCE_DOWN
    cause = "Of its containers, 1 of 2 running: worker exited (137, out of memory)."
    assert incident.cause == cause
    assert _open() == [Kind.INSTANCE_DOWN]


def test_until_the_app_is_down_it_is_waited_for_while_it_does_not_answer(book: Instance) -> None:
    see(book, "DD", NOW)
    at_containers(book, "XXX")
    assert outages.settle(now=NOW + LOOK * 3) == []
    see(book, "UU", NOW + LOOK * 3)
    assert [each.kind for each in outages.settle(now=NOW + LOOK * 5)] == [Kind.PART_DOWN]


def test_want_of_memory_is_known_at_once_of_a_part_too(book: Instance) -> None:
    Crash.objects.create(
        instance=book, service="worker", kind=Crash.Kind.OUT_OF_MEMORY, at=NOW - SECOND
    )
    at_containers(book, "XXX")
    (incident,) = outages.settle(now=NOW + MINUTE)
    assert incident.summary.endswith("worker exited (137, out of memory).")
    assert incident.cause == "It needed more memory than its limit, and was ended for it."


def test_memory_that_ran_out_long_before_is_not_the_reason(book: Instance) -> None:
    Crash.objects.create(
        instance=book, service="worker", kind=Crash.Kind.OUT_OF_MEMORY, at=NOW - 2 * MINUTE
    )
    at_containers(book, "X")
    assert ContainerHealth.objects.get().faults == "worker exited (137)"


def test_one_of_which_an_incident_says_so_already_gets_no_second(book: Instance) -> None:
    Incident.objects.create(kind=Kind.INSTANCE_DEGRADED, instance=book, summary="It ends.")
    at_containers(book, "RRR")
    assert outages.settle(now=NOW + MINUTE) == []


def test_a_silent_server_changes_nothing_of_what_is_known(book: Instance) -> None:
    at_containers(book, "XXX")
    Incident.objects.create(kind=Kind.SERVER_UNREACHABLE, server=book.server, summary="Silent.")
    assert outages.settle(now=NOW + MINUTE) == []
    assert _open() == [Kind.SERVER_UNREACHABLE]
    Incident.objects.all().delete()
    assert len(outages.settle(now=NOW + MINUTE)) == 1
    Incident.objects.create(kind=Kind.SERVER_UNREACHABLE, server=book.server, summary="Silent.")
    assert outages.settle(now=NOW + 2 * MINUTE) == []
    assert sorted(_open()) == [Kind.PART_DOWN, Kind.SERVER_UNREACHABLE]


def test_a_server_that_comes_back_leaves_its_containers_a_moment(book: Instance) -> None:
    """The app answers first; its worker, which was down with the server, is started last."""
    down = incidents.open_for(kind=Kind.SERVER_DOWN, server=book.server, summary="Down.", now=NOW)
    see(book, "DDDU", NOW)
    at_containers(book, "XXXX")
    assert outages.settle(now=NOW + MINUTE) == []
    down.refresh_from_db()
    assert down.closed_at == NOW + MINUTE
    see(book, "UUUUUUUUUU", NOW + MINUTE)
    at_containers(book, "X", NOW + MINUTE)
    assert outages.settle(now=NOW + 1.5 * MINUTE) == []
    at_containers(book, "X", NOW + 2 * MINUTE)
    assert [each.kind for each in outages.settle(now=NOW + 2.5 * MINUTE)] == [Kind.PART_DOWN]


def test_no_incident_begins_with_a_look_that_found_all_well(book: Instance) -> None:
    """The app was away with its worker, and is up again before the second well look at that."""
    see(book, "DDD", NOW)
    at_containers(book, "XXX")
    assert [each.kind for each in outages.settle(now=NOW + MINUTE)] == [Kind.INSTANCE_DOWN]
    see(book, "UU", NOW + MINUTE)
    at_containers(book, "W", NOW + MINUTE)
    assert outages.settle(now=NOW + 1.5 * MINUTE) == []
    assert _open() == []
    at_containers(book, "X", NOW + 2 * MINUTE)
    assert [each.kind for each in outages.settle(now=NOW + 2.2 * MINUTE)] == [Kind.PART_DOWN]


def test_it_is_over_when_the_instance_is_to_run_no_more(book: Instance) -> None:
    at_containers(book, "XXX")
    outages.settle(now=NOW + MINUTE)
    Instance.objects.update(state="stopped")
    outages.settle(now=NOW + 2 * MINUTE)
    assert _open() == []
    assert "not to run any more" in Incident.objects.get().events.get(kind="closed").text
    assert not ContainerHealth.objects.get().is_failing


def test_a_round_is_two_queries_and_one_more_where_something_fails(book: Instance) -> None:
    assert book.server is not None  # read once, and not again
    counts: list[int] = []
    for pattern in ("W", "X", "X"):
        with CaptureQueriesContext(connection) as queries:
            at_containers(book, pattern, NOW + len(counts) * LOOK)
        counts.append(len(queries))
    assert counts == [2, 3, 3]
