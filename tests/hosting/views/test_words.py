"""Whatever happens has words that a client can read."""

from __future__ import annotations

from datetime import UTC, datetime

from hosting.models import Operation
from hosting.views.states import CALLED, DOING
from hosting.views.words import backup_moment, in_words
from tenants.models import AuditEvent


def test_every_kind_of_change_has_its_words() -> None:
    kinds = set(Operation.Kind)
    assert set(DOING) == set(CALLED) == kinds
    for ended in ("succeeded", "failed", "cancelled"):
        for kind in kinds:
            event = AuditEvent(action=f"operation.{ended}", after={"kind": kind})
            assert in_words(event) != event.action
            assert in_words(AuditEvent(action=f"instance.{kind}_requested")) != f"{kind} requested"


def test_the_end_of_all_backups_is_in_words() -> None:
    assert in_words(AuditEvent(action="backup_store.destroyed")) == "removed all backups of"


def test_what_an_event_says_of_a_backup_may_be_missing_or_nonsense() -> None:
    at = datetime(2026, 3, 1, 2, 34, tzinfo=UTC)
    assert backup_moment(AuditEvent(after={"taken_at": str(at)})) == at
    for said in ("None", "", "2026-13-45 99:99:99+00:00", "sesame"):
        assert backup_moment(AuditEvent(after={"taken_at": said})) is None
    assert backup_moment(AuditEvent(after={})) is None
