from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from tenants import audit_chain as chain
from tenants.models import AuditEvent, AuditHead, Client
from tenants.selectors.audit_chain import Verdict, verify
from tenants.services import audit
from tenants.services.actors import Actor
from tests.tenants.master_keys import Keys

Tampering = Callable[[], AbstractContextManager[None]]
ALICE = Actor("7", "Alice")

pytestmark = pytest.mark.django_db


@pytest.fixture
def events(acme: Client) -> list[AuditEvent]:
    """Ten in all, with the one that made the client."""
    for number in range(2, 11):
        audit.record(
            action="thing.changed", actor=ALICE, client=acme, obj=acme, after={"number": number}
        )
    return list(AuditEvent.objects.order_by("sequence"))


def execute(statement: str, *parameters: str | None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def problem() -> str:
    found = verify().problem
    assert found
    return found


def test_a_whole_chain_is_whole(events: list[AuditEvent]) -> None:
    assert verify() == Verdict(10, 10, events[-1].hash, None)


def test_an_empty_log_is_whole() -> None:
    assert verify() == Verdict(0, 0, chain.START, None)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at", "2020-01-01T00:00:00Z"),
        ("client_id", None),
        ("actor_id", "8"),
        ("actor_label", "Bob"),
        ("action", "thing.kept"),
        ("object_type", "instance"),
        ("object_id", "1"),
        ("object_label", "Other"),
        ("before", '{"number": 1}'),
        ("after", "{}"),
        ("address", "192.0.2.1"),
        ("address", "10.0.0.0/8"),
        ("address", "::ffff:192.0.2.1"),
        ("user_agent", "Other"),
        ("request_id", "other"),
    ],
)
def test_it_names_an_altered_event(
    events: list[AuditEvent], tampering: Tampering, column: str, value: str | None
) -> None:
    with tampering():
        execute(f"UPDATE tenants_auditevent SET {column} = %s WHERE sequence = 4", value)
    assert problem().startswith("Event 4 (")
    assert "was altered" in problem()


def test_it_names_a_removed_event(events: list[AuditEvent], tampering: Tampering) -> None:
    with tampering():
        execute("DELETE FROM tenants_auditevent WHERE sequence IN (5, 6)")
    assert problem() == "Event 5 is missing: after 4 comes 7."
    assert verify().events == 4


def test_it_names_a_removed_beginning(events: list[AuditEvent], tampering: Tampering) -> None:
    with tampering():
        execute("DELETE FROM tenants_auditevent WHERE sequence = 1")
    assert problem() == "Event 1 is missing: after 0 comes 2."


def test_it_finds_a_gap_that_was_closed(events: list[AuditEvent], tampering: Tampering) -> None:
    with tampering():
        execute("DELETE FROM tenants_auditevent WHERE sequence = 5")
        execute("UPDATE tenants_auditevent SET sequence = 5 WHERE sequence = 10")
    assert problem() == "Event 5 does not follow on event 4: one of the two was replaced."


def test_it_finds_that_the_last_are_gone(events: list[AuditEvent], tampering: Tampering) -> None:
    with tampering():
        execute("DELETE FROM tenants_auditevent WHERE sequence > 8")
    assert problem() == "Event 9 is missing: the log ends before its head, 10."


def test_it_finds_that_all_are_gone(events: list[AuditEvent], tampering: Tampering) -> None:
    with tampering():
        execute("TRUNCATE tenants_auditevent")
    assert problem() == "Event 1 is missing: the log ends before its head, 10."


def test_a_head_moved_back_is_not_sealed(events: list[AuditEvent], tampering: Tampering) -> None:
    with tampering():
        execute("DELETE FROM tenants_auditevent WHERE sequence > 8")
        AuditHead.objects.update(sequence=8, hash=events[7].hash)
    assert problem() == "The head, event 8, was not written by Berth: its seal does not fit."


def test_a_removed_head_is_found(events: list[AuditEvent]) -> None:
    AuditHead.objects.all().delete()
    assert problem() == "The head of the chain is missing."


def forge(event: AuditEvent, **changes: object) -> str:
    """What someone writes who knows how hashes are made."""
    columns = {name: getattr(event, name) for name in chain.HASHED} | changes
    columns["hash"] = chain.digest(columns)
    AuditEvent.objects.bulk_create([AuditEvent(**columns)])
    return str(columns["hash"])


def rewrite(events: list[AuditEvent]) -> None:
    """A last event without a fault, and the head moved to it."""
    execute("DELETE FROM tenants_auditevent WHERE sequence = 10")
    AuditHead.objects.update(hash=forge(events[9], actor_label="Bob"))


def test_a_rewritten_end_is_found(events: list[AuditEvent], tampering: Tampering) -> None:
    with tampering():
        rewrite(events)
    assert problem() == "The head, event 10, was not written by Berth: its seal does not fit."


def test_a_rewritten_end_is_found_even_after_honest_events(
    acme: Client,
    events: list[AuditEvent],
    tampering: Tampering,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with tampering():
        rewrite(events)
    for _ in range(3):
        audit.record(action="thing.changed", actor=ALICE, client=acme, obj=acme)
    assert problem() == "Before event 11 the log or its head was changed by someone else."
    assert "tampered with before event 11" in caplog.text
    AuditHead.objects.update(broken_at=None)
    assert "its seal does not fit" in problem()
    audit.record(action="thing.changed", actor=ALICE, client=acme, obj=acme)
    assert problem() == "Before event 14 the log or its head was changed by someone else."


def test_an_event_beyond_the_head_is_found(acme: Client, events: list[AuditEvent]) -> None:
    forge(events[9], sequence=11, previous_hash=events[9].hash)
    assert problem() == "Event 11 was not written by Berth: the head is 10."
    audit.record(action="thing.changed", actor=ALICE, client=acme, obj=acme)
    assert problem() == "Before event 12 the log or its head was changed by someone else."


def test_a_lost_tail_shows_after_honest_events_too(
    acme: Client, events: list[AuditEvent], tampering: Tampering
) -> None:
    with tampering():
        execute("DELETE FROM tenants_auditevent WHERE sequence > 8")
    audit.record(action="thing.changed", actor=ALICE, client=acme, obj=acme)
    assert problem() == "Event 9 is missing: after 8 comes 11."


def test_it_says_which_master_key_sealed_the_head(
    events: list[AuditEvent], settings: Settings, keys: Keys
) -> None:
    settings.BERTH_MASTER_KEY = keys.k2
    assert problem() == "The head is sealed by the master key “k1”, which is not here."


def test_the_command_prints_the_head(events: list[AuditEvent]) -> None:
    out = StringIO()
    call_command("verify_audit", stdout=out)
    assert out.getvalue().startswith("10 events in ")
    assert f"head: 10 {events[-1].hash}" in out.getvalue()
    assert "The audit log is whole." in out.getvalue()


def test_the_command_fails_with_one_sentence(
    events: list[AuditEvent], tampering: Tampering
) -> None:
    with tampering():
        execute("UPDATE tenants_auditevent SET action = 'x' WHERE sequence = 4")
    with pytest.raises(
        CommandError, match=r"Event 4 \(x\) was altered: its hash does not fit."
    ) as e:
        call_command("verify_audit", stdout=StringIO())
    assert e.value.returncode == 1
