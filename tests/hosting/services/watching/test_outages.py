"""From looks to incidents: of an instance, of its server, of the edge."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from hosting.models import Incident, IncidentEvent, Instance, Notification, Server
from hosting.services.watching import incidents, outages
from hosting.services.watching.outage_rules import Count, is_carrier_down, is_instance_down
from tests.hosting.looking_at import see

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Kind = Incident.Kind


@pytest.fixture
def up(order: Callable[..., Instance], memory_server: Server) -> Callable[[str], Instance]:
    def make(name: str) -> Instance:
        instance = order(name)
        before = NOW - timedelta(days=1)
        instance.operations.update(state="succeeded", started_at=before, finished_at=before)
        Instance.objects.filter(pk=instance.pk).update(
            state="running",
            first_running_at=before,
            web_address="10.208.0.2",
            web_port=80,
            is_routed=True,
        )
        instance.refresh_from_db()
        return instance

    return make


def _open() -> list[tuple[str, str]]:
    going_on = Incident.objects.filter(closed_at=None).order_by("kind", "instance__name")
    return [(each.kind, each.instance.name if each.instance else "") for each in going_on]


@pytest.mark.parametrize(
    ("was_down", "failures", "successes", "is_down"),
    [
        (False, 0, 9, False),
        (False, 2, 0, False),
        (False, 3, 0, True),
        (True, 9, 0, True),
        (True, 0, 1, True),
        (True, 0, 2, False),
    ],
)
def test_when_an_instance_is_down(
    was_down: bool, failures: int, successes: int, is_down: bool
) -> None:
    found = is_instance_down(
        is_down=was_down, failures=failures, successes=successes, open_after=3, close_after=2
    )
    assert found is is_down


@pytest.mark.parametrize(
    ("was_down", "watched", "failing", "is_down"),
    [
        (False, 0, 0, False),
        (False, 1, 1, False),  # one alone says nothing of its server
        (False, 2, 2, True),
        (False, 50, 39, False),
        (False, 50, 40, True),
        (True, 50, 25, True),
        (True, 50, 24, False),
        (True, 1, 1, True),  # the others were stopped meanwhile
        (True, 0, 0, False),
    ],
)
def test_when_a_server_is_down(was_down: bool, watched: int, failing: int, is_down: bool) -> None:
    assert is_carrier_down(is_down=was_down, count=Count(watched, failing)) is is_down


def test_one_that_fails_alone_is_an_incident_with_a_history(up: Callable[[str], Instance]) -> None:
    book, well = up("book"), up("well")
    see(well, "UUUUUUUU", NOW)
    see(book, "UDDD", NOW)
    opened = outages.settle(now=NOW + MINUTE)
    assert [each.kind for each in opened] == [Kind.INSTANCE_DOWN]
    assert "nothing listens there" in opened[0].summary
    outages.settle(now=NOW + MINUTE)
    assert _open() == [(Kind.INSTANCE_DOWN, "book")]
    see(book, "UU", NOW + 2 * MINUTE)
    outages.settle(now=NOW + 3 * MINUTE)
    assert _open() == []
    kinds = IncidentEvent.objects.values_list("kind", flat=True)
    assert list(kinds) == ["opened", "closed"]


def test_it_is_told_once_and_told_when_it_is_over(up: Callable[[str], Instance]) -> None:
    book = up("book")
    see(book, "DDD", NOW)
    outages.settle(now=NOW + MINUTE)
    see(book, "UU", NOW + 2 * MINUTE)
    outages.settle(now=NOW + 3 * MINUTE)
    told = Notification.objects.order_by("created_at", "is_over")
    assert {(each.client is not None, each.is_over) for each in told} == {
        (client, over) for client in (True, False) for over in (True, False)
    }
    assert told.count() == 4
    over = told.get(client=book.client, is_over=True)
    assert "over after 2 minutes" in over.text


def test_a_server_is_one_incident_not_one_for_each_instance(
    up: Callable[[str], Instance],
) -> None:
    books = [up(f"book{number}") for number in range(5)]
    for number, each in enumerate(books):
        see(each, "DDD" if number == 0 else "UDD", NOW)  # the first is a look ahead of the others
    assert outages.settle(now=NOW + MINUTE) == []
    assert _open() == [(Kind.SERVER_DOWN, "")]
    for each in books:
        see(each, "DD", NOW + MINUTE)
    outages.settle(now=NOW + 2 * MINUTE)
    assert _open() == [(Kind.SERVER_DOWN, "")]
    assert Notification.objects.filter(client=books[0].client).count() == 1


def test_who_is_down_still_when_the_server_is_back_has_an_incident_then(
    up: Callable[[str], Instance],
) -> None:
    books = [up(f"book{number}") for number in range(4)]
    for each in books:
        see(each, "DDD", NOW)
    outages.settle(now=NOW + MINUTE)
    for each in books[1:]:
        see(each, "UU", NOW + MINUTE)
    see(books[0], "DD", NOW + MINUTE)
    outages.settle(now=NOW + 2 * MINUTE)
    assert _open() == [(Kind.INSTANCE_DOWN, "book0")]


def test_a_silent_engine_covers_what_is_down_on_it(up: Callable[[str], Instance]) -> None:
    book = up("book")
    see(book, "DDD", NOW)
    outages.settle(now=NOW + MINUTE)
    incidents.open_for(kind=Kind.SERVER_UNREACHABLE, server=book.server, summary="x")
    see(book, "D", NOW + MINUTE)
    outages.settle(now=NOW + 2 * MINUTE)
    assert _open() == [(Kind.SERVER_UNREACHABLE, "")]


def test_an_edge_that_fails_is_one_incident(up: Callable[[str], Instance]) -> None:
    for name in ("book", "other", "third"):
        see(up(name), "EEE", NOW)
    outages.settle(now=NOW + MINUTE)
    assert _open() == [(Kind.EDGE_DOWN, "")]
    for each in Instance.objects.all():
        see(each, "UU", NOW + MINUTE)
    outages.settle(now=NOW + 2 * MINUTE)
    assert _open() == []


def test_one_that_is_stopped_is_not_down_any_more(up: Callable[[str], Instance]) -> None:
    book = up("book")
    see(book, "DDD", NOW)
    outages.settle(now=NOW + MINUTE)
    Instance.objects.update(state="stopped")
    outages.settle(now=NOW + 2 * MINUTE)
    assert _open() == []
    assert "nobody looks" in IncidentEvent.objects.get(kind="closed").text


def test_what_the_reconciler_found_is_the_cause(up: Callable[[str], Instance]) -> None:
    book = up("book")
    book.drifts.create(kind="stopped", subject="web", found="web ended with exit code 137")
    see(book, "DDD", NOW)
    (incident,) = outages.settle(now=NOW + MINUTE)
    assert incident.cause == "Web ended with exit code 137."
    assert not incidents.explain(incident=incident, cause="Something else.", now=NOW)


def test_a_full_disk_is_the_cause_where_nothing_else_is_known(
    up: Callable[[str], Instance],
) -> None:
    book = up("book")
    Server.objects.update(disk_free_bytes=10**9)
    see(book, "DDD", NOW)
    (incident,) = outages.settle(now=NOW + MINUTE)
    assert "1.0 GB of disk free" in incident.cause
