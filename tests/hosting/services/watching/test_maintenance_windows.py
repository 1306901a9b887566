"""Maintenance: announced to those concerned, called off, and never in the past."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hosting.models import Instance, MaintenanceWindow, Notification, Server
from hosting.selectors.watching import maintenance_windows as reading
from hosting.services.watching import maintenance_windows
from tenants.errors import Refused
from tenants.models import AuditEvent, Client
from tenants.services.actors import Actor

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def book(order: Callable[..., Instance], memory_server: Server) -> Instance:
    return order("book")


@pytest.fixture
def plan(actor: Actor) -> Callable[..., MaintenanceWindow]:
    def make(**fields: Any) -> MaintenanceWindow:
        right: dict[str, Any] = {
            "starts_at": NOW + HOUR,
            "ends_at": NOW + 2 * HOUR,
            "what": "The disks are replaced.",
            "actor": actor,
            "now": NOW,
        }
        return maintenance_windows.plan(**{**right, **fields})

    return make


def test_the_clients_concerned_are_told_by_their_own_clock(
    book: Instance, plan: Callable[..., MaintenanceWindow]
) -> None:
    Client.objects.create(name="Globex", slug="globex")
    plan(server=book.server)
    told = Notification.objects.get()
    assert told.client == book.client
    assert "2026-03-28 14:00 to 2026-03-28 15:00 (Europe/Berlin)" in told.title
    assert "It is about book." in told.text
    assert AuditEvent.objects.filter(action="maintenance.planned").exists()


def test_everything_concerns_whoever_has_an_instance(
    book: Instance, plan: Callable[..., MaintenanceWindow]
) -> None:
    globex = Client.objects.create(name="Globex", slug="globex")
    plan()
    assert Notification.objects.count() == 1
    assert reading.of_client(book.client, now=NOW).exists()
    assert not reading.of_client(globex, now=NOW).exists()


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"starts_at": NOW - HOUR}, "starts_at"),
        ({"ends_at": NOW + 72 * HOUR}, "ends_at"),
        ({"what": ""}, "what"),
        ({"ends_at": NOW + HOUR}, None),
        ({"what": "x" * 501}, "what"),
    ],
)
def test_what_is_wrong_is_refused(
    book: Instance,
    plan: Callable[..., MaintenanceWindow],
    fields: dict[str, object],
    at: str | None,
) -> None:
    with pytest.raises(Refused) as refused:
        plan(instance=book, **fields)
    assert refused.value.field == at
    assert not Notification.objects.exists()


def test_one_thing_at_a_time(book: Instance, plan: Callable[..., MaintenanceWindow]) -> None:
    with pytest.raises(Refused, match="not both"):
        plan(instance=book, server=book.server)


def test_one_that_goes_on_ends_now_and_one_to_come_is_called_off(
    book: Instance, plan: Callable[..., MaintenanceWindow], actor: Actor
) -> None:
    begun, coming = plan(starts_at=NOW), plan(starts_at=NOW + HOUR)
    at = NOW + timedelta(minutes=30)
    ended = maintenance_windows.cancel(window=begun, actor=actor, now=at)
    assert (ended.ends_at, ended.cancelled_at) == (at, None)
    off = maintenance_windows.cancel(window=coming, actor=actor, now=at)
    assert off.cancelled_at == at
    assert Notification.objects.filter(is_over=True).count() == 2
    for window in (begun, coming):
        with pytest.raises(Refused):
            maintenance_windows.cancel(window=window, actor=actor, now=at)
