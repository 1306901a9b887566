"""What is asked for when an instance is to be made from a backup, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from hosting.models import Instance, Operation, Plan, Server
from hosting.models.backup import FORMAT
from hosting.services import instances, suspensions
from hosting.services.saving import backups, clones
from tenants.errors import Refused
from tenants.models import AuditEvent, Client
from tenants.services.actors import Actor
from tests.hosting.saved import recorded
from tests.tenants.threads import at_once

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


def test_a_copy_is_no_way_around_a_suspension(
    book: Instance, actor: Actor, work_off: WorkOff
) -> None:
    backup = recorded(book)
    suspensions.suspend(instance=book, reason="Invoice 42 is overdue.", actor=actor)
    with pytest.raises(Refused, match="book is suspended: Invoice 42 is overdue"):
        clones.request(backup=backup, name="copy", plan=book.plan.slug, actor=actor)
    work_off(book)
    instances.delete(instance=book, confirmation="book", actor=actor)
    work_off(book)
    with pytest.raises(Refused, match="book is suspended"):  # nor is deleting it
        clones.request(backup=backup, name="copy", plan=book.plan.slug, actor=actor)


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


def test_the_same_order_under_the_same_key_is_one(book: Instance, actor: Actor) -> None:
    backup, other = recorded(book), recorded(book)
    wanted: dict[str, Any] = {"plan": book.plan.slug, "actor": actor, "order_key": "b7"}
    made = clones.request(backup=backup, name="copy", **wanted)
    assert clones.request(backup=backup, name="copy", **wanted) == made
    other_orders: tuple[dict[str, Any], ...] = (
        {"backup": other, "name": "copy"},
        {"backup": backup, "name": "second"},
    )
    for changed in other_orders:
        with pytest.raises(Refused, match="with other contents"):
            clones.request(**changed, **wanted)
    with pytest.raises(Refused, match="with other contents"):
        instances.order(client=book.client, app=book.app, name="copy", **wanted)
    assert Instance.objects.count() == 2


def test_two_clicks_at_the_same_moment_make_one(book: Instance, actor: Actor) -> None:
    backup, plan = recorded(book), book.plan.slug

    def click() -> Instance:
        return clones.request(backup=backup, name="copy", plan=plan, actor=actor, order_key="b7")

    first, second = (each.result() for each in at_once(click, click))
    assert first == second
    assert Operation.objects.filter(kind=Operation.Kind.CLONE).count() == 1


def test_an_inactive_or_full_client_gets_no_copy(
    book: Instance, actor: Actor, settings: Settings
) -> None:
    backup = recorded(book)
    settings.BERTH_INSTANCES_PER_CLIENT = 1
    with pytest.raises(Refused, match="has 1 of the 1 instances"):
        clones.request(backup=backup, name="copy", plan=book.plan.slug, actor=actor)
    Client.objects.update(is_active=False)
    with pytest.raises(Refused, match="is inactive"):
        clones.request(backup=backup, name="copy", plan=book.plan.slug, actor=actor)
    assert Instance.objects.count() == 1


def test_the_plan_has_to_hold_the_data(book: Instance, actor: Actor) -> None:
    full = recorded(book, size_bytes=book.plan.disk_gb * 2**30)
    made = clones.request(backup=full, name="copy", plan=book.plan.slug, actor=actor)
    assert made.plan == book.plan
    more = recorded(book, size_bytes=book.plan.disk_gb * 2**30 + 1)
    with pytest.raises(Refused, match="needs 6 GB of disk; Small has less") as refusal:
        clones.request(backup=more, name="other", plan=book.plan.slug, actor=actor)
    assert refusal.value.field == "plan"


def test_a_copy_is_placed_as_any_other_order(
    book: Instance, actor: Actor, memory_server: Server
) -> None:
    backup = recorded(book)
    Server.objects.update(availability=Server.Availability.CORDONED)
    with pytest.raises(Refused):
        clones.request(backup=backup, name="copy", plan=book.plan.slug, actor=actor)
    other = Server.objects.create(
        name="other", engine="memory", endpoint="memory:other", memory_mb=4096, disk_gb=50
    )
    made = clones.request(backup=backup, name="copy", plan=book.plan.slug, actor=actor)
    assert (made.server, book.server) == (other, memory_server)


def test_the_log_names_the_backup_by_its_moment(book: Instance, actor: Actor) -> None:
    backup = recorded(book)
    clones.request(backup=backup, name="copy", plan=book.plan.slug, actor=actor)
    event = AuditEvent.objects.get(action="instance.ordered", after__name="copy")
    assert event.after["taken_at"] == str(backup.taken_at)
