"""What carries many is one incident: a server, the edge; as it begins, goes on, and is over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from hosting.models import Incident, IncidentEvent, Instance, MaintenanceWindow, Notification
from hosting.services.watching import carriers, incidents, outages
from hosting.services.watching.outage_rules import Count, is_carrier_down
from tests.hosting.looking_at import see

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Kind = Incident.Kind
Up = Callable[[str], Instance]


def _open() -> list[tuple[str, str]]:
    going_on = Incident.objects.filter(closed_at=None).order_by("kind", "instance__name")
    return [(each.kind, each.instance.name if each.instance else "") for each in going_on]


def _books(up: Up, pattern: str, many: int = 5) -> list[Instance]:
    """So many on one server, each seen like that from the beginning on, and what comes of it."""
    books = [up(f"book{number}") for number in range(many)]
    for each in books:
        see(each, pattern, NOW)
    outages.settle(now=NOW + MINUTE)
    return books


def _to_client() -> list[str]:
    told = Notification.objects.filter(client__isnull=False).order_by("created_at", "is_over")
    return [each.title for each in told]


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


def test_a_silent_engine_speaks_for_a_server_that_is_down() -> None:
    assert is_carrier_down(is_down=False, count=Count(4, 2), is_suspect=True)
    assert not is_carrier_down(is_down=False, count=Count(4, 1), is_suspect=True)
    assert not is_carrier_down(is_down=False, count=Count(1, 1), is_suspect=True)


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


def test_a_server_that_comes_back_does_so_one_app_after_the_other(up: Up) -> None:
    """Half of them answering ends it; the others have their next look yet to come."""
    books = _books(up, "DDD")
    for number, each in enumerate(books):
        see(each, "U" if number < 3 else "D", NOW + MINUTE)
    outages.settle(now=NOW + 1.2 * MINUTE)
    assert _open() == []
    for each in books:
        see(each, "UU", NOW + 1.5 * MINUTE)
    outages.settle(now=NOW + 2 * MINUTE)
    outages.settle(now=NOW + 5 * MINUTE)
    assert _open() == []
    assert _to_client() == [
        "book0, book1, book2, book3 and book4 can't be reached",
        "Over: book0, book1, book2, book3 and book4 had trouble",
    ]


def test_who_is_down_still_a_moment_after_the_server_is_back_has_an_incident_then(up: Up) -> None:
    books = _books(up, "DDD")
    for number, each in enumerate(books):
        see(each, "DDDD" if number == 0 else "UUUU", NOW + MINUTE)
    outages.settle(now=NOW + 2 * MINUTE)
    assert _open() == []
    see(books[0], "DDDD", NOW + 2 * MINUTE)
    outages.settle(now=NOW + 3 * MINUTE)
    assert _open() == [(Kind.INSTANCE_DOWN, "book0")]
    assert "since 2026-03-20 12:00:00" in Incident.objects.get(kind=Kind.INSTANCE_DOWN).summary


def test_time_in_which_nobody_looked_ends_nothing(up: Up) -> None:
    """The prober was away for ten minutes, and has looked at one app since."""
    books = _books(up, "DDD")
    outages.settle(now=NOW + 10 * MINUTE)
    assert _open() == [(Kind.SERVER_DOWN, "")]
    see(books[0], "U", NOW + 10 * MINUTE)
    outages.settle(now=NOW + 10.2 * MINUTE)
    assert _open() == [(Kind.SERVER_DOWN, "")]


def test_the_first_looks_after_such_a_time_say_nothing_of_the_server(up: Up) -> None:
    """Two that were down by themselves are asked before the others."""
    books = _books(up, "UUU")
    for each in books[:2]:
        see(each, "DDD", NOW + MINUTE)
    outages.settle(now=NOW + 2 * MINUTE)
    for each in books[:2]:
        see(each, "D", NOW + 20 * MINUTE)
    outages.settle(now=NOW + 20.1 * MINUTE)
    assert _open() == [(Kind.INSTANCE_DOWN, "book0"), (Kind.INSTANCE_DOWN, "book1")]


def test_maintenance_that_begins_amid_it_ends_nothing(up: Up) -> None:
    books = _books(up, "DDD")
    MaintenanceWindow.objects.create(
        server=books[0].server,
        starts_at=NOW + MINUTE,
        ends_at=NOW + 60 * MINUTE,
        planned_at=NOW,
    )
    for each in books:
        see(each, "DDDDDDDD", NOW + MINUTE)
    outages.settle(now=NOW + 3 * MINUTE)
    assert _open() == [(Kind.SERVER_DOWN, "")]
    for each in books:
        see(each, "UU", NOW + 3 * MINUTE)
    outages.settle(now=NOW + 4 * MINUTE)
    assert _open() == []


def test_where_nothing_runs_any_more_it_is_not_said_to_be_back(up: Up) -> None:
    _books(up, "DDD")
    Instance.objects.update(state="stopped")
    outages.settle(now=NOW + 2 * MINUTE)
    assert _open() == []
    assert IncidentEvent.objects.get(kind="closed").text == carriers.NOBODY_LOOKS


def test_one_alone_stays_down_by_itself_while_the_engine_is_silent(up: Up) -> None:
    """Of a silent engine its client hears nothing: it is not to hear that all is well either."""
    (book,) = _books(up, "DDD", many=1)
    incidents.open_for(kind=Kind.SERVER_UNREACHABLE, server=book.server, summary="x")
    see(book, "D", NOW + MINUTE)
    outages.settle(now=NOW + 2 * MINUTE)
    assert _open() == [(Kind.INSTANCE_DOWN, "book0"), (Kind.SERVER_UNREACHABLE, "")]
    assert _to_client() == ["book0 can't be reached"]


def test_half_of_them_are_one_incident_while_the_engine_is_silent(up: Up) -> None:
    books = _books(up, "UUU", many=4)
    incidents.open_for(kind=Kind.SERVER_UNREACHABLE, server=books[0].server, summary="x")
    for each in books:
        see(each, "DDD" if each in books[:2] else "UUU", NOW + MINUTE)
    outages.settle(now=NOW + 2 * MINUTE)
    assert _open() == [(Kind.SERVER_DOWN, ""), (Kind.SERVER_UNREACHABLE, "")]


def test_what_becomes_part_of_a_larger_one_is_not_said_to_be_over(up: Up) -> None:
    books = _books(up, "UUU")
    see(books[0], "DDD", NOW + MINUTE)
    outages.settle(now=NOW + 2 * MINUTE)
    for each in books:
        see(each, "DDD", NOW + 2 * MINUTE)
    outages.settle(now=NOW + 3 * MINUTE)
    assert _open() == [(Kind.SERVER_DOWN, "")]
    assert not any(each.startswith("Over") for each in _to_client())
    goes_on = Notification.objects.get(client=books[0].client, is_over=True)
    assert goes_on.title == "book0: now part of a larger incident"
    assert "is not over" in goes_on.text


def test_the_end_is_told_of_those_that_it_began_with(up: Up) -> None:
    books = _books(up, "DDD", many=3)
    Instance.objects.filter(pk=books[0].pk).update(state="deleted", deleted_at=timezone.now())
    up("later")
    for each in books[1:]:
        see(each, "UU", NOW + MINUTE)
    outages.settle(now=NOW + 2 * MINUTE)
    assert _to_client() == [
        "book0, book1 and book2 can't be reached",
        "Over: book0, book1 and book2 had trouble",
    ]


def test_a_client_whose_instances_are_gone_hears_that_it_is_over(up: Up) -> None:
    _books(up, "DDD", many=2)
    Instance.objects.update(state="deleted", deleted_at=timezone.now())
    outages.settle(now=NOW + 2 * MINUTE)
    assert _to_client()[-1] == "Over: book0 and book1 had trouble"


def test_an_edge_that_fails_is_one_incident(up: Callable[[str], Instance]) -> None:
    for name in ("book", "other", "third"):
        see(up(name), "EEE", NOW)
    outages.settle(now=NOW + MINUTE)
    assert _open() == [(Kind.EDGE_DOWN, "")]
    for each in Instance.objects.all():
        see(each, "UU", NOW + MINUTE)
    outages.settle(now=NOW + 2 * MINUTE)
    assert _open() == []


def test_the_edge_is_not_back_because_nobody_looked(up: Up) -> None:
    _books(up, "EEE")
    outages.settle(now=NOW + 10 * MINUTE)
    assert _open() == [(Kind.EDGE_DOWN, "")]


def test_the_edge_is_not_back_because_no_app_answers_any_more(up: Up) -> None:
    """Both are on one machine, say, of which the edge failed first."""
    books = _books(up, "EEE")
    for each in books:
        see(each, "DDD", NOW + MINUTE)
    outages.settle(now=NOW + 2 * MINUTE)
    assert _open() == [(Kind.EDGE_DOWN, ""), (Kind.SERVER_DOWN, "")]
    assert not any(each.startswith("Over") for each in _to_client())
    for each in books:
        see(each, "UU", NOW + 2 * MINUTE)
    outages.settle(now=NOW + 3 * MINUTE)
    assert _open() == []
