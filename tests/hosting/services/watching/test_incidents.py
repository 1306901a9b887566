"""The same thing noticed again is the same incident."""

from __future__ import annotations

import pytest

from hosting.models import Incident, Server
from hosting.services.watching import incidents
from tests.tenants.threads import at_once

pytestmark = pytest.mark.django_db
LOW = Incident.Kind.DISK_LOW


def test_one_is_open_however_often_it_is_noticed_and_says_the_newest(
    memory_server: Server,
) -> None:
    first = incidents.open_for(kind=LOW, server=memory_server, summary="4 GB")
    again = incidents.open_for(kind=LOW, server=memory_server, summary="3 GB")
    assert again.pk == first.pk
    assert Incident.objects.get().summary == "3 GB"


def test_it_is_closed_once_and_the_next_time_is_another(memory_server: Server) -> None:
    incidents.open_for(kind=LOW, server=memory_server, summary="4 GB")
    assert incidents.close(kind=LOW, server=memory_server)
    assert not incidents.close(kind=LOW, server=memory_server)
    incidents.open_for(kind=LOW, server=memory_server, summary="2 GB")
    assert Incident.objects.count() == 2


def test_other_servers_and_other_kinds_are_other_incidents(memory_server: Server) -> None:
    other = Server.objects.create(name="other", memory_mb=1, disk_gb=1, supernet="10.64.0.0/16")
    for kind in (LOW, Incident.Kind.SERVER_UNREACHABLE):
        for server in (memory_server, other):
            incidents.open_for(kind=kind, server=server, summary="x")
    incidents.close(kind=LOW, server=memory_server)
    assert Incident.objects.filter(closed_at=None).count() == 3


def test_one_about_no_server_is_one_as_well(db: None) -> None:
    for _ in range(2):
        incidents.open_for(kind=Incident.Kind.AUDIT_LOG_BROKEN, summary="event 7")
    assert Incident.objects.count() == 1
    assert incidents.close(kind=Incident.Kind.AUDIT_LOG_BROKEN)


@pytest.mark.django_db(transaction=True)
def test_many_that_notice_at_once_open_one(memory_server: Server) -> None:
    opened = at_once(*[lambda: incidents.open_for(kind=LOW, server=memory_server, summary="x")] * 6)
    assert len({each.result().pk for each in opened}) == 1
    assert Incident.objects.count() == 1
