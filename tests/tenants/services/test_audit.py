from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenants.models import AuditEvent, AuditHead, Client
from tenants.request_context import RequestContext, entered
from tenants.selectors import audit as selectors
from tenants.selectors import audit_chain
from tenants.services import audit
from tenants.services.actors import Actor
from tests.tenants.threads import at_once

ALICE = Actor("7", "Alice <alice@acme.example>")

pytestmark = pytest.mark.django_db


def note(client: Client, **overrides: Any) -> AuditEvent:
    values: dict[str, Any] = {"action": "thing.changed", "actor": ALICE, "client": client}
    return audit.record(**{**values, "obj": client, **overrides})


def test_it_writes_down_who_did_what_from_where(acme: Client) -> None:
    with entered(RequestContext("::ffff:192.0.2.7", "Firefox", "request-1")):
        event = note(acme, before={"name": "Old"}, after={"name": "New"})
    event.refresh_from_db()
    assert (event.actor_id, event.actor_label) == ("7", "Alice <alice@acme.example>")
    assert (event.object_type, event.object_id) == ("client", str(acme.pk))
    assert (event.object_label, event.client_id) == ("Acme", acme.pk)
    assert (event.before, event.after) == ({"name": "Old"}, {"name": "New"})
    assert (event.address, event.user_agent) == ("192.0.2.7", "Firefox")
    assert event.request_id == "request-1"
    assert audit_chain.verify().problem is None


def test_each_event_names_the_one_before(acme: Client) -> None:
    first, second = note(acme), note(acme)
    assert second.sequence == first.sequence + 1
    assert second.previous_hash == first.hash
    head = AuditHead.objects.get()
    assert (head.sequence, head.hash) == (second.sequence, second.hash)


@pytest.mark.django_db(transaction=True)
def test_it_refuses_to_stand_outside_a_transaction(acme: Client) -> None:
    count = AuditEvent.objects.count()
    with pytest.raises(transaction.TransactionManagementError, match=r"transaction\.atomic"):
        note(acme)
    assert AuditEvent.objects.count() == count


@pytest.mark.django_db(transaction=True)
def test_it_goes_back_with_its_change(acme: Client) -> None:
    count = AuditEvent.objects.count()
    with transaction.atomic():
        note(acme)
        transaction.set_rollback(True)
    assert AuditEvent.objects.count() == count
    with transaction.atomic():
        note(acme)
    assert audit_chain.verify().events == count + 1
    assert audit_chain.verify().problem is None


@pytest.mark.parametrize(
    "after",
    [
        {"password": "x"},
        {"api_token": "x"},
        {"settings": {"deep": [{"client_secret": "x"}]}},
        {"private_key": "x"},
        {"apiKey": "x"},
    ],
)
def test_it_takes_no_secrets(acme: Client, after: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="looks like a secret"):
        note(acme, after=after)


def test_it_takes_no_bytes(acme: Client) -> None:
    with pytest.raises(TypeError, match="takes no bytes"):
        note(acme, after={"value": b"x"})


def test_values_of_every_kind_survive_the_database(acme: Client) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC)
    some_id = uuid.uuid4()
    event = note(
        acme,
        after={
            "price": Decimal("1.50"),
            "at": moment,
            "id": some_id,
            "float": 1e22,
            "set": {"b", "a"},
            "nothing": None,
            "yes": True,
            "large": 10**30,
        },
    )
    event.refresh_from_db()
    assert event.after == {
        "price": "1.50",
        "at": moment.isoformat(),
        "id": str(some_id),
        "float": "1e+22",
        "set": ["a", "b"],
        "nothing": None,
        "yes": True,
        "large": 10**30,
    }
    assert audit_chain.verify().problem is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=JSON, agent=st.text(max_size=400), label=st.text(max_size=250), address=st.text())
def test_whatever_a_client_sends_leaves_a_chain_that_fits(
    acme: Client, value: Any, agent: str, label: str, address: str
) -> None:
    context = RequestContext(address, agent, "request-1")
    note(acme, actor=Actor("", label), after={"value": value}, context=context)
    assert audit_chain.verify().problem is None


@pytest.mark.parametrize(
    "address", ["192.0.2.1", "2001:DB8::0:1", "fe80::1%eth0", "::ffff:192.0.2.1", "nonsense", ""]
)
def test_addresses_survive_the_database(acme: Client, address: str) -> None:
    note(acme, context=RequestContext(address))
    assert audit_chain.verify().problem is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tenants_auditevent SET action = 'x'",
        "DELETE FROM tenants_auditevent",
        "DELETE FROM tenants_auditevent WHERE false",
        "TRUNCATE tenants_auditevent",
    ],
)
def test_the_database_refuses_to_change_it(acme: Client, statement: str) -> None:
    with connection.cursor() as cursor, pytest.raises(IntegrityError, match="append-only"):
        cursor.execute(statement)
    transaction.set_rollback(True)


def test_the_refusal_holds_in_every_replication_role(acme: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgenabled FROM pg_trigger WHERE tgname = 'tenants_auditevent_append_only'"
        )
        assert cursor.fetchall() == [("A",)]  # ALWAYS, not only where the role is origin


@pytest.mark.django_db(transaction=True)
def test_many_writers_make_one_chain(acme: Client) -> None:
    before = AuditEvent.objects.count()
    barrier = threading.Barrier(6)

    def write() -> None:
        barrier.wait(10)
        for number in range(20):
            with transaction.atomic():
                note(acme, after={"number": number})
                transaction.set_rollback(number % 5 == 4)

    for each in at_once(*[write] * 6):
        each.result()
    verdict = audit_chain.verify()
    assert verdict.problem is None
    assert verdict.events == before + 6 * 16


@pytest.mark.django_db(transaction=True)
def test_it_can_be_verified_while_others_write(acme: Client) -> None:
    done = threading.Event()

    def write() -> list[str | None]:
        for _ in range(60):
            with transaction.atomic():
                note(acme)
        done.set()
        return []

    def verify() -> list[str | None]:
        problems = []
        while not done.is_set():
            problems.append(audit_chain.verify().problem)
        return problems

    _, verified = at_once(write, verify)
    assert set(verified.result()) == {None}


def test_a_client_sees_its_own_events_newest_first(acme: Client, make_client: Any) -> None:
    other = make_client("other")
    first, _, third = note(acme), note(other, obj=other), note(acme)
    events = list(selectors.of_client(acme))
    assert events[:2] == [third, first]
    assert {each.client_id for each in events} == {acme.pk}
    assert list(selectors.of_object(other, "client", acme.pk)) == []
