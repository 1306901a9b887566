"""An incident's timeline: looks, causes, who was told: all for staff, their own for clients."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from hosting.models import Incident, Instance, Probe, Server
from hosting.selectors.watching import incident_timelines
from hosting.services.telling import channels
from hosting.services.telling.channels import Wishes
from hosting.services.watching import incidents
from tenants.models import Client
from tenants.services import clients
from tenants.services.actors import Actor

pytestmark = pytest.mark.django_db
Order = Callable[..., Instance]
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
LOOK = timedelta(seconds=15)
MINUTE = timedelta(minutes=1)
_Kind = Incident.Kind


@pytest.fixture
def book(order: Order, memory_server: Server) -> Instance:
    book = order()
    book.state = Instance.State.RUNNING
    book.save(update_fields=["state"])
    return book


def look(instance: Instance, number: int, error: str = "", excuse: str = "") -> None:
    """The look of that number, counted from noon."""
    Probe.objects.create(
        instance=instance,
        at=NOW + number * LOOK,
        seconds=15,
        is_up=not error,
        is_answering=not error,
        error=error,
        excuse=excuse,
    )


def down(instance: Instance) -> Incident:
    """It does not answer since the third look."""
    return incidents.open_for(
        kind=_Kind.INSTANCE_DOWN,
        instance=instance,
        summary="acme/book does not answer since 2026-03-10 12:00:00 UTC: answered 503.",
        now=NOW + 2 * LOOK,
    )


def over(instance: Instance) -> None:
    incidents.close(kind=_Kind.INSTANCE_DOWN, instance=instance, now=NOW + 8 * LOOK)


def told(incident: Incident, client: Client | None = None) -> list[tuple[str, str]]:
    """Kind and text of each line."""
    later = NOW + 10 * MINUTE
    if client is None:
        entries = incident_timelines.for_staff(incident, now=later)
    else:
        entries = incident_timelines.for_client(incident, client=client, now=later)
    return [(each.kind, each.text) for each in entries]


def test_looks_causes_and_the_end_stand_in_order(book: Instance) -> None:
    for number in range(-4, 0):
        look(book, number)
    look(book, 0, "no answer within 5 s")
    look(book, 1, "no answer within 5 s", excuse="maintenance")
    for number in range(2, 5):
        look(book, number, "answered 503")
    for number in range(5, 9):
        look(book, number)
    incident = down(book)
    incidents.explain(incident=incident, cause="It ran out of memory.", now=NOW + 3 * LOOK)
    over(book)
    incident.refresh_from_db()
    lines = [each for each in told(incident) if each[0] != "told"]
    assert lines == [
        ("failing", "A look failed: no answer within 5 s."),
        ("failing", "3 looks in a row failed: answered 503."),
        ("opened", incident.summary),
        ("cause", "It ran out of memory."),
        ("well", "4 looks in a row found it well."),
        ("closed", "It is over."),
    ]


def test_an_instance_that_comes_and_goes_fills_no_page(book: Instance) -> None:
    for number in range(60):
        look(book, number, "answered 503" if number % 2 else "")
    looks = [each for each in told(down(book)) if each[0] in ("failing", "well", "noted")]
    assert len(looks) == incident_timelines.MOST_RUNS + 1
    assert looks[-1] == ("noted", "It went on like that; the looks after this are not listed.")


def test_each_reads_who_of_theirs_was_told(
    book: Instance, actor: Actor, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    target = "alice@acme.example"
    channels.add(
        kind="mail",
        name="Alice",
        target=target,
        wishes=Wishes(),
        actor=actor,
        now=NOW,
        client=book.client,
    )
    incident = down(book)
    with django_assert_num_queries(6):
        staff = [text for kind, text in told(incident) if kind == "told"]
    assert staff == [
        "“Instance does not answer: acme/book” to operations: no channel is for it.",
        "“book can't be reached” to Acme, by mail Alice: being collected.",
    ]
    lines = told(incident, book.client)
    assert lines[0] == ("opened", "It does not answer: answered 503.")
    theirs = [text for kind, text in lines if kind == "told"]
    assert theirs == ["“book can't be reached”, by mail Alice: being collected."]


def test_a_client_reads_nothing_of_the_server_or_of_others(
    book: Instance, memory_server: Server, actor: Actor
) -> None:
    incident = incidents.open_for(
        kind=_Kind.SERVER_DOWN,
        server=memory_server,
        summary=f"9 of 9 instances on server {memory_server} do not answer.",
        cause="Its engine has been silent since 12:00 UTC.",
        now=NOW,
    )
    incidents.note(incident=incident, text="Globex was told by telephone.", now=NOW + MINUTE)
    incidents.close(kind=_Kind.SERVER_DOWN, server=memory_server, now=NOW + 2 * MINUTE)
    incident.refresh_from_db()
    lines = [each for each in told(incident, book.client) if each[0] != "told"]
    assert lines == [
        ("opened", "The server that it runs on does not answer."),
        ("closed", "The server answers again."),
    ]
    staff = " ".join(text for _, text in told(incident))
    assert "9 of 9" in staff
    assert "by telephone" in staff
    other = clients.create(name="Globex", slug="globex", timezone="UTC", actor=actor)
    assert "Acme" not in " ".join(text for _, text in told(incident, other))


def test_an_instance_has_had_what_took_it_away_since_it_was_ordered(
    book: Instance, order: Order, memory_server: Server
) -> None:
    Instance.objects.update(created_at=NOW)
    book.refresh_from_db()

    def happened(kind: Incident.Kind, begin: int, end: int | None, **about: object) -> Incident:
        return Incident.objects.create(
            kind=kind,
            summary="x",
            opened_at=NOW + begin * MINUTE,
            closed_at=None if end is None else NOW + end * MINUTE,
            **about,
        )

    happened(_Kind.EDGE_DOWN, -9, -8)
    happened(_Kind.INSTANCE_DOWN, 1, 2, instance=order("other"))
    happened(_Kind.BACKUP_OVERDUE, 1, 2, instance=book)
    server = happened(_Kind.SERVER_DOWN, -1, 1, server=memory_server)
    own = happened(_Kind.INSTANCE_DOWN, 2, None, instance=book)
    assert list(incident_timelines.of_instance(book)) == [own, server]
