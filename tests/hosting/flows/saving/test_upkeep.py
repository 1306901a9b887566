"""The signal to the outside that all is well."""

from __future__ import annotations

import threading
import urllib.error
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.utils import timezone
from pytest_django import Settings

from hosting.flows.saving import upkeep
from hosting.models import Backup, Incident, Instance, SecondPlace
from hosting.services.watching import incidents
from tests.hosting.services.saving.test_backups import Order, made, settled

pytestmark = pytest.mark.django_db


class Outside:
    """Whoever raises the alarm when nobody asks any more."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = 200
        outside = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outside.asked.append(self.path)
                self.send_response(outside.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/berth"


@pytest.fixture
def outside(settings: Settings) -> Iterator[Outside]:
    outside = Outside()
    settings.BERTH_DEAD_MANS_URL = outside.url
    thread = threading.Thread(target=outside.server.serve_forever, daemon=True)
    thread.start()
    yield outside
    outside.server.shutdown()
    outside.server.server_close()
    thread.join()


@pytest.fixture
def book(order: Order, memory_server: object) -> Instance:
    return settled(order("book"))


def test_it_is_asked_for_while_all_is_well(book: Instance, outside: Outside) -> None:
    made(book, timezone.now())
    upkeep.watch()
    upkeep.watch()
    assert outside.asked == ["/berth"] * 2


def test_it_falls_silent_when_a_backup_is_late(book: Instance, outside: Outside) -> None:
    made(book, timezone.now() - timedelta(hours=27))
    upkeep.watch()
    assert outside.asked == []
    made(book, timezone.now())
    upkeep.watch()
    assert outside.asked == ["/berth"]


@pytest.mark.parametrize(
    "kind",
    [
        Incident.Kind.BACKUP_DAMAGED,
        Incident.Kind.RESTORE_TEST_FAILED,
        Incident.Kind.RESTORE_TEST_OVERDUE,
        Incident.Kind.JOURNAL_BEHIND,
        Incident.Kind.JOURNAL_NOT_COPIED,
        Incident.Kind.BACKUP_NOT_COPIED,
    ],
)
def test_it_falls_silent_while_saved_data_is_in_doubt(
    book: Instance, outside: Outside, kind: Incident.Kind, settings: Settings
) -> None:
    settings.BERTH_BACKUP_COPY = "/somewhere/else"  # else nothing has to be there
    long_ago = timezone.now() - timedelta(days=9)
    SecondPlace.objects.create(location="/somewhere/else", since=long_ago)
    fresh = made(book, timezone.now())
    is_there = kind != Incident.Kind.BACKUP_NOT_COPIED
    fresh.copied_at = timezone.now() if is_there else None
    fresh.copied_to = "/somewhere/else"
    fresh.save()
    incidents.open_for(kind=kind, instance=book, summary="A byte was changed.")
    upkeep.watch()
    assert outside.asked == []
    Backup.objects.update(copied_at=timezone.now())
    incidents.close(kind=kind, instance=book)
    upkeep.watch()
    assert outside.asked == ["/berth"]


def test_an_outside_that_refuses_is_an_error_of_the_chore(book: Instance, outside: Outside) -> None:
    made(book, timezone.now())
    outside.status = 500
    with pytest.raises(urllib.error.HTTPError):
        upkeep.watch()
