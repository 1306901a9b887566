"""What is asked for when a backup is put back, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from hosting.models import Backup, Footing, Instance, Operation, Restore, Server
from hosting.models.backup import FORMAT
from hosting.selectors import moves as finding
from hosting.services import instances, moves
from hosting.services.saving import backups, restores
from tenants.errors import Refused
from tenants.models import AuditEvent, Client
from tenants.services.actors import Actor

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def book(order: Order, memory_server: Server, work_off: WorkOff) -> Instance:
    instance = order("book")
    work_off(instance)
    return instance


def _backup(instance: Instance, **changes: Any) -> Backup:
    now = timezone.now()
    values = {
        "instance": instance,
        "trigger": Backup.Trigger.NIGHTLY,
        "manifest": {"format": FORMAT, "app": instance.app, "parts": [], "checks": {}},
        "taken_at": now,
        "verified_at": now,
    }
    with transaction.atomic():  # there are sealed keys in it
        return Backup.objects.create(**values | changes)


def _restored(instance: Instance, work_off: WorkOff, actor: Actor) -> Restore:
    """As if it had been restored a moment ago."""
    restore = restores.request(instance=instance, backup=_backup(instance), actor=actor)
    Operation.objects.filter(pk=restore.operation_id).update(
        state="succeeded", finished_at=timezone.now()
    )
    moves.record_done(move=restore, seconds=1.0)
    _stand_on(instance, restore.to_generation)
    return restore


def _stand_on(instance: Instance, generation: int) -> None:
    footing = replace(Footing.of(instance), generation=generation)
    moves.record_footing(instance=instance, footing=footing, expected=instance.expected)


def test_a_restore_gets_a_generation_that_was_never_used(
    book: Instance, work_off: WorkOff, actor: Actor
) -> None:
    first = _restored(book, work_off, actor)
    assert (first.from_generation, first.to_generation) == (1, 2)
    _stand_on(book, 1)
    second = restores.request(instance=book, backup=_backup(book), actor=actor)
    assert (second.from_generation, second.to_generation) == (1, 3)
    assert AuditEvent.objects.filter(action="instance.restore_requested").count() == 2


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"verified_at": None}, "never read back whole"),
        ({"removed_at": timezone.now()}, "let go"),
        ({"manifest": {"format": FORMAT + 1, "app": "guestbook"}}, "of a newer Berth"),
        ({"manifest": {"format": FORMAT, "app": "n8n"}}, "of the app n8n, not of guestbook"),
    ],
)
def test_it_refuses_a_backup_that_does_not_fit(
    book: Instance, actor: Actor, changes: dict[str, Any], sentence: str
) -> None:
    backup = _backup(book, **changes)
    before = Operation.objects.count(), AuditEvent.objects.count()
    with pytest.raises(Refused, match=sentence):
        restores.request(instance=book, backup=backup, actor=actor)
    assert before == (Operation.objects.count(), AuditEvent.objects.count())


@pytest.mark.parametrize("is_from_copy", [False, True])
def test_it_refuses_the_backup_of_another_instance(
    book: Instance, order: Order, actor: Actor, settings: Settings, is_from_copy: bool
) -> None:
    settings.BERTH_BACKUP_COPY = "/somewhere/else"
    others = _backup(order("other"), copied_at=timezone.now(), copied_to="/somewhere/else")
    with pytest.raises(Refused, match="a backup of other, not of book"):
        restores.request(instance=book, backup=others, actor=actor, is_from_copy=is_from_copy)


def test_one_that_the_second_place_alone_has_is_read_from_there(
    book: Instance, actor: Actor, settings: Settings
) -> None:
    now = timezone.now()
    backup = _backup(book, copied_at=now, copied_to="/somewhere/else", lost_at=now)
    with pytest.raises(Refused, match="lies in a second place that is not configured here any"):
        restores.request(instance=book, backup=backup, actor=actor)
    settings.BERTH_BACKUP_COPY = "/somewhere/else"
    assert restores.request(instance=book, backup=backup, actor=actor).is_from_copy


def test_it_refuses_a_busy_instance_and_an_inactive_client(
    book: Instance, acme: Client, actor: Actor
) -> None:
    instances.stop(instance=book, actor=actor)
    with pytest.raises(Refused, match="is busy"):
        restores.request(instance=book, backup=_backup(book), actor=actor)
    Client.objects.update(is_active=False)
    with pytest.raises(Refused, match="is inactive"):
        restores.request(instance=book, backup=_backup(book), actor=actor)


def test_there_is_a_way_back_only_while_the_data_is_kept(
    book: Instance, work_off: WorkOff, actor: Actor
) -> None:
    with pytest.raises(Refused, match="no data of before"):
        moves.revert(instance=book, actor=actor)
    restore = _restored(book, work_off, actor)
    now = timezone.now()
    assert finding.reversible(instance=book, now=now) == restore
    assert finding.reversible(instance=book, now=now + timedelta(days=8)) is None
    Restore.objects.update(kept_until=now)
    with pytest.raises(Refused, match="no data of before"):
        moves.revert(instance=book, actor=actor)
    Restore.objects.update(kept_until=now + timedelta(days=1))
    assert moves.revert(instance=book, actor=actor).reverted_by is not None
    assert AuditEvent.objects.filter(action="instance.revert_requested").count() == 1


def test_only_data_that_nothing_keeps_has_to_go(
    book: Instance, work_off: WorkOff, actor: Actor
) -> None:
    def going(**after: float) -> list[int]:
        return finding.dispensable_generations(
            instance=book, now=timezone.now() + timedelta(**after)
        )

    _restored(book, work_off, actor)
    assert (going(), going(days=8)) == ([], [1])
    second = _restored(book, work_off, actor)
    assert (second.from_generation, going(), going(days=8)) == (2, [], [1, 2])
    Restore.objects.filter(pk=second.pk).update(kept_until=None)  # it never came so far
    _stand_on(book, 2)
    assert (going(), going(days=8)) == ([3], [1, 3])


def test_a_safety_backup_takes_no_place_of_the_plan_and_goes_with_the_way_back(
    book: Instance, work_off: WorkOff, actor: Actor
) -> None:
    restore = _restored(book, work_off, actor)
    nightly = _backup(book, taken_at=timezone.now() - timedelta(minutes=2))
    safety = _backup(book, trigger=Backup.Trigger.SAFETY)
    restore.safety = safety
    restore.save()
    Backup.objects.exclude(pk__in=(nightly.pk, safety.pk)).update(removed_at=timezone.now())
    assert backups.dispensable(instance=book) == []
    Restore.objects.update(kept_until=timezone.now())
    assert backups.dispensable(instance=book) == [safety]
    Backup.objects.filter(pk=nightly.pk).update(removed_at=timezone.now())
    assert backups.dispensable(instance=book) == []  # the last good one
