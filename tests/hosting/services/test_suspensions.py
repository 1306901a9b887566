"""A suspended instance is stopped and kept, and nobody brings it up until it is given back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from hosting.models import Instance, Operation, Server
from hosting.services import instances, servers, suspensions
from hosting.services.saving import backups, nights
from hosting.services.working import fleet, operations
from tenants.errors import Refused
from tenants.models import AuditEvent
from tenants.services.actors import Actor

WHY = "Invoice 2026-0042 is overdue."
Kind, State = Operation.Kind, Instance.State


@pytest.fixture
def book(
    order: Callable[..., Instance],
    memory_server: Server,
    work_off: Callable[[Instance], Operation],
) -> Instance:
    """A running instance."""
    instance = order()
    work_off(instance)
    return instance


def _now(instance: Instance) -> Instance:
    return Instance.objects.get(pk=instance.pk)


def test_it_is_stopped_and_starts_when_it_is_given_back(
    book: Instance, actor: Actor, work_off: Callable[[Instance], Operation]
) -> None:
    suspensions.suspend(instance=book, reason=f"  {WHY}\n", actor=actor)
    assert _now(book).suspended_for == WHY
    assert work_off(book).kind == Kind.STOP
    assert _now(book).state == State.STOPPED
    suspensions.resume(instance=book, actor=actor)
    assert work_off(book).kind == Kind.START
    book = _now(book)
    assert (book.state, book.suspended_at, book.suspended_for) == (State.RUNNING, None, "")
    assert book.starts_again is False
    suspended = AuditEvent.objects.get(action="instance.suspended")
    assert (suspended.client_id, suspended.after) == (book.client_id, {"reason": WHY})
    assert AuditEvent.objects.get(action="instance.resumed").before == {"reason": WHY}


def test_nothing_brings_it_up_meanwhile(
    book: Instance, actor: Actor, work_off: Callable[[Instance], Operation]
) -> None:
    suspensions.suspend(instance=book, reason=WHY, actor=actor)
    work_off(book)
    refused = f"{book.name} is suspended: {WHY}"
    for verb in (instances.start, instances.restart, instances.retry):
        with pytest.raises(Refused, match=refused):
            verb(instance=book, actor=actor)
    for kind in operations.BRINGS_UP:
        with pytest.raises(Refused, match=refused):
            operations.request(instance=book, kind=kind, actor=Actor.system("anybody"))
    assert set(operations.allowed_kinds(_now(book))) == {Kind.BACKUP, Kind.DELETE}
    backups.request(instance=book, actor=actor)


def test_its_reason_can_become_another(book: Instance, actor: Actor) -> None:
    suspensions.suspend(instance=book, reason=WHY, actor=actor)
    since = _now(book).suspended_at
    suspensions.say_other_reason(instance=book, was=WHY, reason="And this one.", actor=actor)
    suspensions.say_other_reason(instance=book, was=WHY, reason="Not mine.", actor=actor)
    assert (_now(book).suspended_for, _now(book).suspended_at) == ("And this one.", since)
    told = AuditEvent.objects.filter(action="instance.suspended").order_by("sequence").last()
    assert told is not None
    assert (told.before, told.after) == ({"reason": WHY}, {"reason": "And this one."})


def test_it_is_given_back_for_its_own_reason_only(book: Instance, actor: Actor) -> None:
    suspensions.suspend(instance=book, reason=WHY, actor=actor)
    suspensions.resume(instance=book, actor=actor, only_for="Another reason.")
    assert _now(book).suspended_for == WHY
    suspensions.resume(instance=book, actor=actor, only_for=WHY)
    assert _now(book).suspended_at is None


def test_it_is_saved_every_night_as_before(
    book: Instance, actor: Actor, work_off: Callable[[Instance], Operation]
) -> None:
    suspensions.suspend(instance=book, reason=WHY, actor=actor)
    work_off(book)
    tomorrow = timezone.now() + timedelta(days=1)
    assert list(nights.due(now=tomorrow)) == [book]
    backups.request(instance=_now(book), actor=actor)
    assert Operation.objects.filter(instance=book, kind=Kind.BACKUP).count() == 1


def test_twice_is_once(book: Instance, actor: Actor) -> None:
    suspensions.resume(instance=book, actor=actor)
    for reason in (WHY, "Another reason."):
        suspensions.suspend(instance=book, reason=reason, actor=actor)
    assert _now(book).suspended_for == WHY
    assert AuditEvent.objects.filter(action="instance.suspended").count() == 1
    assert not AuditEvent.objects.filter(action="instance.resumed").exists()


def test_one_that_was_stopped_before_stays_so(
    book: Instance, actor: Actor, work_off: Callable[[Instance], Operation]
) -> None:
    instances.stop(instance=book, actor=actor)
    work_off(book)
    suspensions.suspend(instance=book, reason=WHY, actor=actor)
    suspensions.resume(instance=book, actor=actor)
    suspensions.settle()
    assert _now(book).state == State.STOPPED
    assert not book.operations.filter(kind=Kind.START).exists()


def test_what_goes_on_is_waited_for(
    book: Instance, actor: Actor, work_off: Callable[[Instance], Operation]
) -> None:
    """A restart that was asked for before ends first; it is stopped by the next settling."""
    instances.restart(instance=book, actor=actor)
    suspensions.suspend(instance=book, reason=WHY, actor=actor)
    suspensions.settle()
    assert work_off(book).kind == Kind.RESTART
    suspensions.settle()
    assert work_off(book).kind == Kind.STOP
    assert _now(book).starts_again is True


def test_given_back_before_it_was_stopped_it_still_starts(
    book: Instance, actor: Actor, work_off: Callable[[Instance], Operation]
) -> None:
    suspensions.suspend(instance=book, reason=WHY, actor=actor)
    suspensions.resume(instance=book, actor=actor)
    suspensions.settle()
    assert work_off(book).kind == Kind.STOP
    suspensions.settle()
    assert work_off(book).kind == Kind.START
    assert (_now(book).state, _now(book).starts_again) == (State.RUNNING, False)


def test_after_a_maintenance_it_waits_for_its_own_end(
    book: Instance, actor: Actor, work_off: Callable[[Instance], Operation]
) -> None:
    servers.drain(server=book.server, actor=actor)
    work_off(book)
    fleet.advance_all()
    suspensions.suspend(instance=book, reason=WHY, actor=actor)
    servers.reopen(server=book.server, actor=actor)
    fleet.advance_all()
    assert _now(book).state == State.STOPPED
    suspensions.resume(instance=book, actor=actor)
    assert work_off(book).kind == Kind.START


@pytest.mark.parametrize("reason", ["", " \n", "x" * 301])
def test_the_reason_is_a_sentence(book: Instance, actor: Actor, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        suspensions.suspend(instance=book, reason=reason, actor=actor)
    assert refused.value.field == "reason"
    assert _now(book).suspended_at is None


def test_a_deleted_one_is_left_alone_and_a_suspended_one_can_be_deleted(
    book: Instance, actor: Actor, work_off: Callable[[Instance], Operation]
) -> None:
    suspensions.suspend(instance=book, reason=WHY, actor=actor)
    work_off(book)
    instances.delete(instance=book, confirmation=book.name, actor=actor)
    with pytest.raises(Refused, match="is deleted, or being so"):
        suspensions.suspend(instance=book, reason=WHY, actor=actor)
    work_off(book)
    suspensions.settle()
    assert _now(book).state == State.DELETED
    with pytest.raises(Refused, match="suspended"):  # its backups are no way around it
        operations.refuse_suspended(_now(book))
