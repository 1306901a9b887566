"""From looks to incidents of an instance; those of a server and of the edge: `test_carriers`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from hosting.models import (
    Health,
    Incident,
    IncidentEvent,
    Instance,
    MaintenanceWindow,
    Notification,
    Server,
)
from hosting.services.watching import incidents, outages
from hosting.services.watching.outage_rules import is_instance_down
from tests.hosting.looking_at import see

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Kind = Incident.Kind


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


def test_one_that_is_stopped_is_not_down_any_more(up: Callable[[str], Instance]) -> None:
    book = up("book")
    see(book, "DDD", NOW)
    outages.settle(now=NOW + MINUTE)
    Instance.objects.update(state="stopped")
    outages.settle(now=NOW + 2 * MINUTE)
    assert _open() == []
    assert "nobody looks" in IncidentEvent.objects.get(kind="closed").text


def test_what_failed_before_it_was_stopped_is_not_in_a_row_with_what_fails_after(
    up: Callable[[str], Instance],
) -> None:
    book = up("book")
    see(book, "DD", NOW)
    Instance.objects.update(state="stopped")
    outages.settle(now=NOW + MINUTE)
    Instance.objects.update(state="running")
    see(book, "D", NOW + timedelta(days=3))
    outages.settle(now=NOW + timedelta(days=3, minutes=1))
    assert _open() == []


def test_what_is_well_again_amid_maintenance_is_over(up: Callable[[str], Instance]) -> None:
    book = up("book")
    see(book, "DDD", NOW)
    outages.settle(now=NOW + MINUTE)
    MaintenanceWindow.objects.create(
        instance=book, starts_at=NOW + MINUTE, ends_at=NOW + 60 * MINUTE, planned_at=NOW
    )
    see(book, "DDUUD", NOW + MINUTE)
    outages.settle(now=NOW + 3 * MINUTE)
    assert _open() == []
    assert Health.objects.get().failures == 0  # what fails in there counts as before: not


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
