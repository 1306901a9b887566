"""What is asked for when an instance is to be made from a backup, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from hosting.models import Instance, Operation, Plan, Server
from hosting.models.backup import FORMAT
from hosting.services import backups, clones, instances
from tenants.errors import Refused
from tenants.models import AuditEvent
from tenants.services.actors import Actor
from tests.hosting.saved import recorded

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def book(order: Order, memory_server: Server, work_off: WorkOff) -> Instance:
    instance = order("book")
    work_off(instance)
    return instance


def test_it_is_the_app_of_then_with_the_keys_of_then(book: Instance, actor: Actor) -> None:
    backup = recorded(book)
    made = clones.request(backup=backup, name="copy", plan=book.plan.slug, actor=actor)
    assert (made.app, made.version, made.made_from) == (book.app, book.version, backup)
    assert made.image_pins == backup.manifest["images"]
    assert made.subnet.index != book.subnet.index
    assert made.hostnames.get().name.startswith("copy.")
    mine = {each.name: each.reveal() for each in book.secrets.all()}
    its = {each.name: each.reveal() for each in made.secrets.all()}
    assert its.pop("secret_key") == "the key of then"
    assert mine.keys() - its.keys() == {"secret_key"}
    assert not mine.items() & its.items()
    operation = made.operations.get()
    assert operation.kind == Operation.Kind.CLONE
    event = AuditEvent.objects.get(action="instance.ordered", after__name="copy")
    assert event.after["backup"] == str(backup.pk)


def test_what_was_ordered_with_data_never_comes_up_without(book: Instance, actor: Actor) -> None:
    made = clones.request(backup=recorded(book), name="copy", plan=book.plan.slug, actor=actor)
    made.operations.update(state="failed", reason="No.", finished_at=timezone.now())
    Instance.objects.filter(pk=made.pk).update(state="failed")
    assert instances.retry(instance=made, actor=actor).kind == Operation.Kind.CLONE
    made.operations.update(state="failed", reason="No.", finished_at=timezone.now())
    Instance.objects.filter(pk=made.pk).update(state="failed", first_running_at=timezone.now())
    assert instances.retry(instance=made, actor=actor).kind == Operation.Kind.PROVISION


@pytest.mark.parametrize(
    ("manifest", "changes", "said"),
    [
        ({}, {"verified_at": None}, "never read back whole"),
        ({}, {"removed_at": timezone.now()}, "has been let go"),
        ({"format": FORMAT + 1}, {}, f"the format {FORMAT + 1} of a newer Berth"),
        ({"definition": {"services": {}}}, {}, "can't read the app's definition"),
    ],
)
def test_what_cant_be_read_is_refused(
    book: Instance, actor: Actor, manifest: dict[str, Any], changes: dict[str, Any], said: str
) -> None:
    backup = recorded(book, manifest=manifest, **changes)
    with pytest.raises(Refused, match=said):
        clones.request(backup=backup, name="copy", plan=book.plan.slug, actor=actor)
    assert Instance.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "plan", "field"), [("book", "", "name"), ("Copy!", "", "name"), ("copy", "no", "plan")]
)
def test_an_order_that_cant_be_is_refused_at_its_field(
    book: Instance, actor: Actor, name: str, plan: str, field: str
) -> None:
    with pytest.raises(Refused) as refusal:
        clones.request(backup=recorded(book), name=name, plan=plan or book.plan.slug, actor=actor)
    assert refusal.value.field == field
    assert Instance.objects.count() == 1


def test_a_backup_stays_as_long_as_it_is_copied(book: Instance, actor: Actor) -> None:
    Plan.objects.update(keep_daily=1, keep_weekly=0, keep_monthly=0, keep_yearly=0)
    book.refresh_from_db()
    long_ago = timezone.now() - timedelta(days=4000)
    old, new = recorded(book, taken_at=long_ago), recorded(book)
    assert backups.dispensable(instance=book) == [old]
    made = clones.request(backup=old, name="copy", plan=book.plan.slug, actor=actor)
    assert backups.dispensable(instance=book) == []
    with transaction.atomic():
        assert not backups.let_go_of(backup=old)
    made.operations.update(state="succeeded", finished_at=timezone.now())
    assert backups.dispensable(instance=book) == [old]
    assert new.is_good
