from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import IntegrityError

from tenants.errors import Refused
from tenants.models import AuditEvent, Client, DataKey
from tenants.services import clients
from tenants.services.actors import Actor
from tests.tenants.threads import at_once

ACTOR = Actor("7", "Alice")


@pytest.mark.django_db
def test_a_new_client_has_a_key_and_an_author() -> None:
    client = clients.create(name=" Acme ", slug="acme", timezone="Europe/Berlin", actor=ACTOR)
    client.refresh_from_db()
    assert (client.name, client.slug, client.timezone) == ("Acme", "acme", "Europe/Berlin")
    assert client.is_active
    assert DataKey.objects.get(client=client).version == 1
    event = AuditEvent.objects.get(client_id=client.pk)
    assert (event.action, event.actor_label) == ("client.created", "Alice")
    assert event.after == {"name": "Acme", "slug": "acme", "timezone": "Europe/Berlin"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("values", "field", "sentence"),
    [
        ({"name": " "}, "name", "This field cannot be blank."),
        ({"name": "x" * 121}, "name", "at most 120 characters"),
        ({"slug": "Acme"}, "slug", "Use 1 to 63 lower-case letters"),
        ({"slug": "-acme"}, "slug", "beginning with a letter"),
        ({"slug": "acme\n.example"}, "slug", "Use 1 to 63"),
        ({"slug": "a" * 41}, "slug", "at most 40 characters"),
        ({"slug": "taken"}, "slug", "The short name “taken” is taken; choose another."),
        ({"timezone": "Berlin"}, "timezone", "“Berlin” is not a time zone"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(
    values: dict[str, str], field: str, sentence: str
) -> None:
    clients.create(name="Taken", slug="taken", actor=ACTOR)
    good = {"name": "Acme", "slug": "acme", "timezone": "UTC"}
    with pytest.raises(Refused) as caught:
        clients.create(**{**good, **values}, actor=ACTOR)
    assert caught.value.field == field
    assert sentence in caught.value.message
    assert Client.objects.count() == DataKey.objects.count() == AuditEvent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_gets_the_name() -> None:
    barrier = threading.Barrier(2)

    def create() -> Client:
        barrier.wait(10)
        return clients.create(name="Acme", slug="acme", actor=ACTOR)

    errors = [each.exception() for each in at_once(create, create)]
    assert sorted(map(type, errors), key=str) == [type(None), Refused]
    assert Client.objects.count() == DataKey.objects.count() == AuditEvent.objects.count() == 1


@pytest.mark.django_db
def test_an_update_tells_what_is_different() -> None:
    client = clients.create(name="Acme", slug="acme", actor=ACTOR)
    changed = clients.update(client=client, name="Acme & Co", timezone="UTC", actor=ACTOR)
    assert changed.name == "Acme & Co"
    event = AuditEvent.objects.get(action="client.updated")
    assert (event.before, event.after) == ({"name": "Acme"}, {"name": "Acme & Co"})
    clients.update(client=client, name="Acme & Co", is_active=True, actor=ACTOR)
    assert AuditEvent.objects.count() == 2


@pytest.mark.django_db
def test_a_bad_update_is_refused() -> None:
    client = clients.create(name="Acme", slug="acme", actor=ACTOR)
    with pytest.raises(Refused, match="is not a time zone"):
        clients.update(client=client, name="New", timezone="Nowhere", actor=ACTOR)
    client.refresh_from_db()
    assert client.name == "Acme"


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.django_db
def test_a_move_is_remembered_with_its_first_day_and_audited() -> None:
    client = clients.create(name="Acme", slug="acme", timezone="Europe/Berlin", actor=ACTOR)
    assert client.zones == []
    moves = (
        ("2026-11-29 12:00", "America/New_York", "2026-11-30"),
        ("2026-12-24 09:00", "Asia/Kathmandu", "2026-12-25"),
    )
    for moment, zone, _ in moves:
        client = clients.update(client=client, timezone=zone, actor=ACTOR, now=_at(moment))
    client.refresh_from_db()
    berlin = ["0001-01-01", "Europe/Berlin"]
    assert client.zones == [berlin, *([first, zone] for _, zone, first in moves)]
    assert client.clock.day_at(_at("2026-11-30 04:59")) == date(2026, 11, 29)
    assert client.clock.day_at(_at("2026-11-30 05:00")) == date(2026, 11, 30)
    events = AuditEvent.objects.filter(action="client.updated").order_by("sequence")
    assert [each.after for each in events] == [
        {"timezone": zone, "days_from": first} for _, zone, first in moves
    ]


@pytest.mark.django_db
def test_a_move_that_is_called_off_leaves_days_as_they_were() -> None:
    client = clients.create(name="Acme", slug="acme", timezone="Europe/Berlin", actor=ACTOR)
    now = _at("2026-11-29 12:00")
    clients.update(client=client, timezone="Asia/Kathmandu", actor=ACTOR, now=now)
    later = now + timedelta(minutes=1)
    back = clients.update(client=client, timezone="Europe/Berlin", actor=ACTOR, now=later)
    assert back.zones == [["0001-01-01", "Europe/Berlin"]]
    event = AuditEvent.objects.latest("sequence")
    assert event.after == {"timezone": "Europe/Berlin"}


@pytest.mark.django_db
def test_a_move_that_would_leave_out_a_day_is_refused_and_changes_nothing() -> None:
    client = clients.create(name="Acme", slug="acme", timezone="Pacific/Honolulu", actor=ACTOR)
    with pytest.raises(Refused) as caught:
        clients.update(client=client, name="New", timezone="Pacific/Kiritimati", actor=ACTOR)
    assert caught.value.field == "timezone"
    assert caught.value.message == (
        "Pacific/Kiritimati is a day or more ahead of Pacific/Honolulu, so that a day would be"
        " left out; choose a zone between the two first."
    )
    client.refresh_from_db()
    assert (client.name, client.timezone, client.zones) == ("Acme", "Pacific/Honolulu", [])


@pytest.mark.django_db
def test_a_bad_zone_of_one_that_moved_is_refused() -> None:
    client = clients.create(name="Acme", slug="acme", actor=ACTOR)
    client = clients.update(client=client, timezone="Europe/Berlin", actor=ACTOR)
    with pytest.raises(Refused, match="is not a time zone") as caught:
        clients.update(client=client, timezone="Nowhere", actor=ACTOR)
    assert caught.value.field == "timezone"


@pytest.mark.django_db
def test_the_database_holds_the_present_zone_to_the_last_one() -> None:
    client = clients.create(name="Acme", slug="acme", actor=ACTOR)
    clients.update(client=client, timezone="Europe/Berlin", actor=ACTOR)
    with pytest.raises(IntegrityError, match="client_is_in_the_last_of_its_zones"):
        Client.objects.filter(pk=client.pk).update(timezone="UTC")
