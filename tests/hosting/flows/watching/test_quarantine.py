"""What a server holds under our label and no instance claims: reported, made harmless, kept."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest

from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import ContainerState, ObjectKind
from hosting.models import Incident, Instance, Operation, Server, Stray
from hosting.services import instances, strays
from tenants.models import AuditEvent, User
from tenants.services.actors import Actor
from tests.conftest import OWNER
from tests.hosting.rounds import one_round, pass_time

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = pytest.mark.django_db
KINDS = (ObjectKind.CONTAINER, ObjectKind.NETWORK, ObjectKind.VOLUME)


@pytest.fixture(autouse=True)
def books(order: Order, memory_engine: MemoryEngine, work_off: WorkOff) -> list[Instance]:
    """Two instances that are known and run."""
    placed = [order(name) for name in ("book", "other")]
    for each in placed:
        work_off(each)
    return placed


def _leave(engine: MemoryEngine, label: str) -> None:
    for kind in KINDS:
        engine.hands.add_stray(kind, f"left-{kind}", owner=OWNER, instance=label)


def _state(engine: MemoryEngine, label: str) -> ContainerState:
    [container] = engine.observe_all(OWNER)[label].services
    return container.state


@pytest.mark.parametrize("label", ["", "made-up", "0b8d3c1e-7f52-4b0e-9d53-1c7a2f6e4a90"])
def test_it_is_reported_once_and_quarantined_in_the_second_round_and_never_removed(
    label: str, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    _leave(memory_engine, label)
    before = memory_engine.observe_all(OWNER)[label]
    one_round(memory_server)
    assert {(each.kind, each.name) for each in Stray.objects.all()} == {
        (str(kind), f"left-{kind}") for kind in KINDS
    }
    assert set(Stray.objects.values_list("state", flat=True)) == {"found"}
    assert _state(memory_engine, label) is ContainerState.RUNNING
    first = set(Stray.objects.values_list("pk", flat=True))
    for _ in range(3):
        one_round(memory_server)
        assert _state(memory_engine, label) is ContainerState.EXITED
    assert set(Stray.objects.values_list("pk", flat=True)) == first
    stray = Stray.objects.get(kind="container")
    assert (stray.state, stray.note) == (
        Stray.State.QUARANTINED,
        "Stopped and cut off from its networks.",
    )
    after = memory_engine.observe_all(OWNER)[label]
    assert (after.networks, after.volumes) == (before.networks, before.volumes)
    incident = Incident.objects.get()
    assert (incident.kind, incident.server) == ("stray_objects", memory_server)
    assert incident.summary == "3 objects belong to no instance on server memory: look at them."


def test_what_a_deleted_instance_left_is_a_stray_but_not_in_the_minute_of_its_deletion(
    books: list[Instance],
    memory_engine: MemoryEngine,
    memory_server: Server,
    work_off: WorkOff,
    actor: Actor,
) -> None:
    """The list of a round may be from before the deletion ended."""
    book = books[0]
    instances.delete(instance=book, confirmation="book", actor=actor)
    work_off(book)
    _leave(memory_engine, str(book.pk))
    one_round(memory_server)
    assert not Stray.objects.exists()
    pass_time(timedelta(minutes=1))
    one_round(memory_server)
    assert {each.instance_label for each in Stray.objects.all()} == {str(book.pk)}


def test_nothing_of_an_instance_that_is_known_is_ever_touched(
    books: list[Instance], memory_engine: MemoryEngine, memory_server: Server
) -> None:
    """Whatever its state: new, failed, busy, waiting for its deletion."""
    for state in (Instance.State.NEW, Instance.State.FAILED):
        Instance.objects.filter(pk=books[0].pk).update(state=state)
        for _ in range(3):
            one_round(memory_server)
    assert not Stray.objects.exists()
    assert {each.state for each in memory_engine.observe(str(books[0].pk)).services} == {
        ContainerState.RUNNING
    }


def test_nothing_is_stopped_where_most_of_what_runs_is_unknown(
    memory_engine: MemoryEngine, memory_server: Server
) -> None:
    """Another installation under our BERTH_OWNER, or a database from an old backup."""
    labels = [str(uuid.uuid4()) for _ in range(4)]
    for label in labels:
        memory_engine.hands.add_stray(ObjectKind.CONTAINER, label, owner=OWNER, instance=label)
    for _ in range(3):
        one_round(memory_server)
    assert {_state(memory_engine, label) for label in labels} == {ContainerState.RUNNING}
    assert Stray.objects.count() == 4
    assert {each.note.split(":")[0] for each in Stray.objects.all()} == {"Left running"}
    assert Incident.objects.filter(kind="stray_objects", closed_at=None).count() == 1


def test_a_live_instance_of_a_server_that_is_listed_twice_is_left_running(
    books: list[Instance], memory_engine: MemoryEngine, memory_server: Server
) -> None:
    """To the engine they are one: each row's round sees what the other's instances run as."""
    twin = _twin(memory_server, endpoint=memory_server.endpoint)
    for _ in range(3):
        one_round(twin)
    assert not Stray.objects.exists()
    assert _of(memory_engine, books[0]) == {ContainerState.RUNNING}


def test_a_live_instance_on_the_wrong_server_is_reported_and_left_running(
    books: list[Instance], memory_engine: MemoryEngine, memory_server: Server
) -> None:
    """The same machine by another endpoint, it may be: stopping it could stop a client's app."""
    elsewhere = _twin(memory_server, endpoint="memory:elsewhere")
    Instance.objects.filter(pk=books[0].pk).update(server=elsewhere)
    for _ in range(3):
        one_round(memory_server)
    assert _of(memory_engine, books[0]) == {ContainerState.RUNNING}
    notes = set(Stray.objects.filter(kind="container").values_list("note", flat=True))
    assert notes == {
        "Left running: its instance is alive on server twin. Are both the same machine?"
    }


def _twin(server: Server, *, endpoint: str) -> Server:
    return Server.objects.create(
        name="twin",
        engine=server.engine,
        endpoint=endpoint,
        memory_mb=1,
        disk_gb=1,
        supernet="10.64.0.0/16",
    )


def _of(engine: MemoryEngine, instance: Instance) -> set[ContainerState]:
    return {each.state for each in engine.observe(str(instance.pk)).services}


def test_what_belongs_to_another_installation_is_not_even_seen(
    memory_engine: MemoryEngine, memory_server: Server
) -> None:
    for kind in KINDS:
        memory_engine.hands.add_stray(kind, f"theirs-{kind}", owner="theirs", instance="x")
    for _ in range(2):
        one_round(memory_server)
    assert not Stray.objects.exists()


def test_what_is_gone_is_marked_and_the_incident_closes(
    memory_engine: MemoryEngine, memory_server: Server
) -> None:
    memory_engine.hands.add_stray(ObjectKind.VOLUME, "left", owner=OWNER, instance="gone")
    one_round(memory_server)
    memory_engine.hands.remove_volume("left")
    one_round(memory_server)
    stray = Stray.objects.get()
    assert stray.state == Stray.State.GONE
    assert stray.ended_at is not None
    assert not Incident.objects.filter(closed_at=None).exists()
    memory_engine.hands.add_stray(ObjectKind.VOLUME, "left", owner=OWNER, instance="gone")
    one_round(memory_server)
    assert Stray.objects.count() == 2  # another one of that name has a row of its own


@pytest.mark.parametrize("kind", KINDS)
def test_staff_have_it_removed_by_typing_its_name(
    kind: ObjectKind,
    memory_engine: MemoryEngine,
    memory_server: Server,
    django_user_model: type[User],
) -> None:
    staff = django_user_model.objects.create_user("bob@berth.example", "a long pass phrase")
    memory_engine.hands.add_stray(kind, "left", owner=OWNER, instance="gone")
    memory_engine.hands.add_stray(ObjectKind.VOLUME, "beside it", owner=OWNER, instance="gone")
    one_round(memory_server)
    stray = Stray.objects.get(name="left")
    strays.request_removal(stray=stray, confirmation="left", actor=Actor.of(staff))
    one_round(memory_server)
    stray.refresh_from_db()
    assert stray.state == Stray.State.REMOVED
    left = memory_engine.observe_all(OWNER)["gone"]
    assert left.volumes == ("beside it",)
    assert not left.services
    assert not left.networks
    events = AuditEvent.objects.filter(object_id=str(stray.pk)).order_by("sequence")
    assert [(each.action, each.actor_label) for each in events] == [
        ("stray.removal_requested", "bob@berth.example"),
        ("stray.removed", "Berth (reconciler)"),
    ]


def test_one_that_is_in_use_is_not_removed_and_says_why_until_it_can_be(
    memory_engine: MemoryEngine, memory_server: Server, actor: Actor
) -> None:
    memory_engine.hands.add_stray(ObjectKind.NETWORK, "net", owner=OWNER, instance="gone")
    memory_engine.hands.add_stray(
        ObjectKind.CONTAINER, "user", owner=OWNER, instance="gone", network="net"
    )
    one_round(memory_server)
    stray = Stray.objects.get(kind="network")
    strays.request_removal(stray=stray, confirmation="net", actor=actor)
    one_round(memory_server)  # quarantines the container only afterwards, or before
    one_round(memory_server)
    stray.refresh_from_db()
    assert stray.state == Stray.State.REMOVED
    assert memory_engine.observe_all(OWNER)["gone"].networks == ()


def test_a_label_that_is_longer_than_its_column_stops_nothing(
    memory_engine: MemoryEngine, memory_server: Server
) -> None:
    long = "x" * 400
    memory_engine.hands.add_stray(ObjectKind.CONTAINER, long, owner=OWNER, instance=long)
    memory_engine.hands.add_stray(ObjectKind.VOLUME, long, owner=OWNER, instance=long)
    for _ in range(2):
        assert one_round(memory_server) is not None
    stray = Stray.objects.get()
    assert (stray.name, stray.state) == ("x" * 255, Stray.State.QUARANTINED)
