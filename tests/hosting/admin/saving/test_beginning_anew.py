"""A backup store that is lost, begun anew by staff who know what that means."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.messages import get_messages
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from hosting.models import Backup, BackupStore, Incident, Instance, Server
from hosting.services.saving import backup_copies, backups
from hosting.services.watching import incidents
from tenants.models import AuditEvent

Order = Callable[..., Instance]
Staff = Callable[[str], Browser]
AWAY = "/somewhere/else"


@pytest.fixture
def book(order: Order, memory_server: Server, settings: Settings) -> Instance:
    """One with a store, of which both places have all."""
    settings.BERTH_BACKUP_COPY = AWAY
    instance = order("book")
    instance.operations.update(state="succeeded", finished_at=timezone.now())
    store = backups.store_of(instance=instance)
    BackupStore.objects.filter(pk=store.pk).update(made_at=timezone.now(), copied_to=AWAY)
    return instance


def test_it_is_offered_only_where_something_is_wrong(root: Browser, book: Instance) -> None:
    words = _text(root, _page(book))
    assert "Begin" not in words
    assert "Backups in the second place All that are to be there" in words
    incidents.open_for(kind=Incident.Kind.BACKUP_DAMAGED, instance=book, summary="It is gone.")
    assert "Begin its backup store anew" in _text(root, _page(book))
    assert "Begin its copy anew" not in _text(root, _page(book))
    backup_copies.record_trouble(instance=book, trouble="in the second place it is gone")
    words = _text(root, _page(book))
    assert "Begin its copy anew" in words
    assert "Backups in the second place It is gone" in words


def test_the_instances_name_has_to_be_typed(root: Browser, book: Instance) -> None:
    incidents.open_for(kind=Incident.Kind.BACKUP_DAMAGED, instance=book, summary="It is gone.")
    kept, lost = _proven(book, copied_to=AWAY, copied_at=timezone.now()), _proven(book)
    asked = _text(root, _act(book, "first"))
    assert "all others are gone for good" in asked
    answer = root.post(_act(book, "first"), {"confirmation": "acme"})
    assert (answer.status_code, BackupStore.objects.get().number) == (422, 1)
    assert "Type book to confirm." in answer.content.decode()
    root.post(_act(book, "first"), {"confirmation": "book"})
    store = BackupStore.objects.get()
    assert (store.number, store.made_at, store.copy_number) == (2, None, 1)
    for each in (kept, lost):
        each.refresh_from_db()
    assert (kept.is_good, kept.lost_at is not None, lost.is_good) == (True, True, False)
    event = AuditEvent.objects.get(action="backup_store.begun_anew")
    assert event.actor_label == "Root <root@berth.example>"
    words = _text(root, reverse("admin:hosting_backup_change", args=[kept.pk]))
    assert "Lies In the second place only: the first was begun anew" in words


def test_the_copy_is_begun_anew_and_everything_is_due_there(root: Browser, book: Instance) -> None:
    backup = _proven(book, copied_to=AWAY, copied_at=timezone.now())
    words = _text(root, reverse("admin:hosting_backup_change", args=[backup.pk]))
    assert "Lies In both places; copied" in words
    answer = root.post(_act(book, "second"), {"confirmation": "book"})
    said = [str(each) for each in get_messages(answer.wsgi_request)]
    assert said == ["Nothing is known to be wrong with the copy of book's backups."]
    backup_copies.record_trouble(instance=book, trouble="it is gone")
    root.post(_act(book, "second"), {"confirmation": "book"})
    store = BackupStore.objects.get()
    assert (store.number, store.copy_number, store.copied_to, store.copy_trouble) == (1, 2, "", "")
    assert backup_copies.lacking(book) == [backup]
    words = _text(root, reverse("admin:hosting_backup_change", args=[backup.pk]))
    assert "Lies In the first place only" in words
    assert "Backups in the second place 1 backup not there yet" in _text(root, _page(book))


def test_a_busy_instance_is_waited_for(root: Browser, book: Instance) -> None:
    incidents.open_for(kind=Incident.Kind.BACKUP_DAMAGED, instance=book, summary="It is gone.")
    book.operations.update(state="queued", finished_at=None)
    root.post(_act(book, "first"), {"confirmation": "book"})
    assert BackupStore.objects.get().number == 1


@pytest.mark.parametrize("place", ["first", "second"])
def test_support_may_not(staff: Staff, book: Instance, place: str) -> None:
    incidents.open_for(kind=Incident.Kind.BACKUP_DAMAGED, instance=book, summary="It is gone.")
    support = staff("support")
    assert "Begin its" not in _text(support, _page(book))
    assert support.post(_act(book, place), {"confirmation": "book"}).status_code == 403
    assert support.get(_act(book, place)).status_code == 403
    assert staff("operations").get(_act(book, place)).status_code == 200
    assert staff("root").get(_act(book, "third")).status_code == 404


def _proven(instance: Instance, **fields: object) -> Backup:
    now = timezone.now()
    return Backup.objects.create(
        instance=instance,
        trigger=Backup.Trigger.NIGHTLY,
        taken_at=now,
        verified_at=now,
        manifest={"format": 1, "app": instance.app, "version": instance.version},
        **fields,
    )


def _page(instance: Instance) -> str:
    return reverse("admin:hosting_instance_change", args=[instance.pk])


def _act(instance: Instance, place: str) -> str:
    return reverse("admin:hosting_instance_begin_anew", args=[instance.pk, place])


def _text(browser: Browser, url: str) -> str:
    content = browser.get(url).content.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", content).split())
