"""Two transactions that change the same thing never wait for each other for ever.

Whoever writes to the audit log holds its lock until the commit, and only then PostgreSQL checks
foreign keys, for which it locks the rows that they lead to. So nobody may lock such a row against
that and then wait for the log.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection

from hosting.models import FleetAction, Instance, Operation, Plan, Server
from hosting.services import instances, plans, repairs, servers
from hosting.services.working import fleet, leases
from tenants.models import Client, Role, User
from tenants.services import audit, members
from tenants.services.actors import Actor
from tests.hosting.rounds import pass_time
from tests.tenants.threads import at_once

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def books(order: Order, memory_server: Server, work_off: WorkOff) -> list[Instance]:
    placed = [order(f"book-{number}") for number in range(3)]
    for each in placed:
        work_off(each)
    pass_time()
    return placed


def _at_the_same_moment(
    first: Callable[[], object], then: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``first`` stops where it is about to write to the log, until ``then`` waits or has ended."""
    about_to_write, over = threading.Event(), threading.Event()
    record = audit.record

    def record_late(**arguments: object) -> object:
        if threading.current_thread().name == "first":
            about_to_write.set()
            _until_someone_waits_or(over)
        return record(**arguments)  # type: ignore[arg-type]

    def begin() -> None:
        threading.current_thread().name = "first"
        first()

    def follow() -> None:
        assert about_to_write.wait(10)
        try:
            then()
        finally:
            over.set()

    monkeypatch.setattr(audit, "record", record_late)
    for future in at_once(begin, follow):
        future.result()


def _until_someone_waits_or(over: threading.Event) -> None:
    deadline = time.monotonic() + 10
    while not over.is_set():
        assert time.monotonic() < deadline, "it neither waited nor ended"
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.05)


@pytest.mark.parametrize("wave_size", [1, 5])
def test_the_end_of_an_operation_and_a_fleet_action(
    wave_size: int,
    books: list[Instance],
    memory_server: Server,
    actor: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    operation = instances.stop(instance=books[2], actor=actor)

    def finish() -> None:
        lease = leases.claim(operation_id=operation.pk, worker="w")
        assert lease is not None
        leases.finish(
            lease=lease,
            state=Operation.State.SUCCEEDED,
            reason="",
            instance_state=Instance.State.STOPPED,
            at=operation.requested_at,
        )

    def restart_all() -> None:
        fleet.begin_on_server(
            server=memory_server, kind="restart", wave_size=wave_size, actor=actor
        )

    _at_the_same_moment(finish, restart_all, monkeypatch)
    assert FleetAction.objects.count() == 1


@pytest.mark.parametrize("verb", ["drain", "reopen"])
def test_a_persons_wish_and_a_server_that_is_emptied_or_taken_back(
    verb: str,
    books: list[Instance],
    memory_server: Server,
    actor: Actor,
    monkeypatch: pytest.MonkeyPatch,
    work_off: WorkOff,
) -> None:
    if verb == "reopen":
        servers.drain(server=memory_server, actor=actor)
        for each in books:
            work_off(each)
        fleet.advance_all()
    wish = instances.restart if verb == "drain" else instances.delete
    extra = {} if verb == "drain" else {"confirmation": "book-1"}
    _at_the_same_moment(
        lambda: wish(instance=books[1], actor=actor, **extra),
        lambda: getattr(servers, verb)(server=memory_server, actor=actor),
        monkeypatch,
    )


def test_degrading_an_instance_and_a_fleet_action(
    books: list[Instance],
    memory_server: Server,
    actor: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen_at = books[1].created_at
    Operation.objects.update(finished_at=seen_at - timedelta(minutes=1))
    _at_the_same_moment(
        lambda: repairs.degrade(instance=books[1], reason="It ends.", seen_at=seen_at),
        lambda: fleet.begin_on_server(server=memory_server, kind="restart", actor=actor),
        monkeypatch,
    )
    books[1].refresh_from_db()
    assert books[1].state == Instance.State.DEGRADED


def test_an_order_and_a_new_member_of_the_same_client(
    acme: Client,
    order: Order,
    memory_server: Server,
    actor: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = User.objects.create_user("carol@acme.example", "correct horse battery")
    _at_the_same_moment(
        lambda: order("book"),
        lambda: members.add(client=acme, user=user, role=Role.VIEWER, actor=actor),
        monkeypatch,
    )
    assert Instance.objects.count() == 1


def test_a_changed_plan_and_an_order_of_it(
    small: Plan,
    order: Order,
    memory_server: Server,
    actor: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _at_the_same_moment(
        lambda: plans.update(plan=small, name="Smaller", actor=actor),
        lambda: order("book"),
        monkeypatch,
    )
    assert Instance.objects.count() == 1
