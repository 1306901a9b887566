"""What staff may have removed, and what is written down about it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from hosting.models import Incident, Server, Stray
from hosting.services import strays
from tenants.errors import Refused
from tenants.models import AuditEvent
from tenants.services.actors import Actor
from tests.tenants.threads import at_once

pytestmark = pytest.mark.django_db
SEEN = (
    strays.Seen(Stray.Kind.CONTAINER, "abc", "left-web", "gone"),
    strays.Seen(Stray.Kind.VOLUME, "left-data", "left-data", "gone"),
)


@pytest.fixture
def volume(memory_server: Server) -> Stray:
    strays.note(server=memory_server, seen=SEEN)
    return Stray.objects.get(kind="volume")


def test_only_its_name_removes_it(volume: Stray, actor: Actor) -> None:
    for typed in ("", "left-dat", "LEFT-DATA", "left-web"):
        with pytest.raises(Refused) as refused:
            strays.request_removal(stray=volume, confirmation=typed, actor=actor)
        assert (str(refused.value), refused.value.field) == (
            "Type left-data to remove it.",
            "confirmation",
        )
    volume.refresh_from_db()
    assert volume.state == Stray.State.FOUND
    assert not AuditEvent.objects.filter(action__startswith="stray.").exists()


def test_a_removal_is_asked_for_once_and_a_round_comes_at_once(
    volume: Stray, memory_server: Server, actor: Actor
) -> None:
    Server.objects.update(reconcile_at=timezone.now() + timedelta(hours=1))
    strays.request_removal(stray=volume, confirmation="left-data", actor=actor)
    with pytest.raises(Refused, match="is being removed already"):
        strays.request_removal(stray=volume, confirmation="left-data", actor=actor)
    memory_server.refresh_from_db()
    assert memory_server.reconcile_at <= timezone.now()
    event = AuditEvent.objects.get(action="stray.removal_requested")
    assert event.after == {"kind": "volume", "name": "left-data", "server": "memory"}


def test_what_is_gone_cannot_be_removed(volume: Stray, memory_server: Server, actor: Actor) -> None:
    strays.note(server=memory_server, seen=())
    volume.refresh_from_db()
    with pytest.raises(Refused, match="Volume left-data is gone already"):
        strays.request_removal(stray=volume, confirmation="left-data", actor=actor)


def test_it_is_noted_once_and_marked_when_it_is_gone(volume: Stray, memory_server: Server) -> None:
    strays.note(server=memory_server, seen=SEEN)
    assert Stray.objects.count() == 2
    left = strays.note(server=memory_server, seen=SEEN[:1])
    assert [each.kind for each in left] == ["container"]
    volume.refresh_from_db()
    assert (volume.state, volume.is_there) == (Stray.State.GONE, False)
    incident = Incident.objects.get()
    assert incident.summary == "1 object belongs to no instance on server memory: look at them."
    strays.note(server=memory_server, seen=())
    assert not Incident.objects.get().is_open


def test_the_same_name_on_two_servers_is_two_objects(volume: Stray) -> None:
    other = Server.objects.create(name="other", memory_mb=1, disk_gb=1, supernet="10.64.0.0/16")
    strays.note(server=other, seen=SEEN)
    assert Stray.objects.count() == 4
    strays.note(server=other, seen=())
    volume.refresh_from_db()
    assert volume.is_there


def test_being_removed_twice_is_audited_once(volume: Stray, actor: Actor) -> None:
    strays.request_removal(stray=volume, confirmation="left-data", actor=actor)
    for _ in range(2):
        strays.removed(stray=volume)
    assert AuditEvent.objects.filter(action="stray.removed").count() == 1


def test_the_incident_is_over_with_the_last_one_that_is_removed(
    volume: Stray, actor: Actor
) -> None:
    strays.removed(stray=volume)
    assert Incident.objects.get().summary.startswith("1 object belongs to no instance")
    strays.removed(stray=Stray.objects.get(kind="container"))
    assert not Incident.objects.get().is_open


def test_a_removal_that_is_asked_for_is_not_taken_back_by_a_quarantine(
    memory_server: Server, volume: Stray, actor: Actor
) -> None:
    container = Stray.objects.get(kind="container")
    strays.request_removal(stray=container, confirmation="left-web", actor=actor)
    strays.quarantined(stray=container, note="Stopped.")
    container.refresh_from_db()
    assert container.state == Stray.State.REMOVAL_REQUESTED


@pytest.mark.django_db(transaction=True)
def test_two_rounds_at_the_same_moment_note_it_once(memory_server: Server) -> None:
    for future in at_once(*[lambda: strays.note(server=memory_server, seen=SEEN)] * 4):
        future.result()
    assert Stray.objects.count() == 2
    assert Incident.objects.count() == 1
