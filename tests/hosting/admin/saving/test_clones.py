"""New instances from backups in the admin, on a server that is chosen there."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from hosting.models import Backup, Instance, Operation, Server
from tenants.models import AuditEvent
from tests.hosting.saved import recorded

Order = Callable[..., Instance]
Staff = Callable[[str], Browser]
WorkOff = Callable[[Instance], Operation]


@pytest.fixture
def backup(order: Order, memory_server: Server, work_off: WorkOff) -> Backup:
    """A proven one of the instance book, on the server that the tests have."""
    book = order("book")
    work_off(book)
    return recorded(book)


@pytest.fixture
def other(memory_server: Server) -> Server:
    """A server with less room, which Berth would not choose by itself."""
    return Server.objects.create(
        name="other", engine="memory", endpoint="memory:other", cpus=4, memory_mb=2048, disk_gb=50
    )


def test_it_goes_to_the_server_that_was_chosen(
    root: Browser, backup: Backup, other: Server
) -> None:
    act = _act(backup)
    assert act in root.get(_change(backup)).content.decode()
    page = _plain(root.get(act))
    assert "Make a new instance of Acme from this backup?" in page
    assert "other: 4 CPUs, 2 GB of memory and 50 GB of disk free" in page
    answer = root.post(act, _wanted(backup, server="other"))
    made = Instance.objects.get(name="copy")
    assert answer.headers["Location"] == _change(made.operations.get())
    assert (made.server, made.made_from) == (other, backup)
    assert made.operations.get().kind == Operation.Kind.CLONE
    event = AuditEvent.objects.get(action="instance.ordered", after__name="copy")
    assert (event.after["server"], event.actor_label) == ("other", "Root <root@berth.example>")


def test_berth_chooses_where_nobody_does(root: Browser, backup: Backup, other: Server) -> None:
    root.post(_act(backup), _wanted(backup))
    assert Instance.objects.get(name="copy").server == backup.instance.server != other
    event = AuditEvent.objects.get(action="instance.ordered", after__name="copy")
    assert "server" not in event.after


def test_staff_choose_the_place_where_there_are_two(
    root: Browser, backup: Backup, settings: Settings
) -> None:
    settings.BERTH_BACKUP_COPY = "/somewhere/else"
    assert "The second place" not in _plain(root.get(_act(backup)))
    answer = root.post(_act(backup), _wanted(backup, place="second"))
    assert answer.status_code == 422
    assert "This backup was not copied to the second place." in _plain(answer)
    assert Instance.objects.count() == 1
    Backup.objects.update(copied_at=timezone.now(), copied_to="/somewhere/else")
    assert "The second place" in _plain(root.get(_act(backup)))
    root.post(_act(backup), _wanted(backup, place="second"))
    assert Instance.objects.get(name="copy").is_made_from_copy


def test_a_server_without_room_is_refused_in_a_sentence(
    root: Browser, backup: Backup, other: Server
) -> None:
    Server.objects.filter(pk=other.pk).update(memory_mb=256)
    answer = root.post(_act(backup), _wanted(backup, server="other"))
    assert answer.status_code == 422
    page = _plain(answer)
    assert "Server other has no room for the plan Small: 4 CPUs, 0.2 GB of memory" in page
    assert 'value="copy"' in answer.content.decode(), "what was typed stays"
    assert Instance.objects.count() == 1


@pytest.mark.parametrize("availability", ["cordoned", "draining"])
def test_a_server_that_takes_nothing_new_is_not_offered(
    root: Browser, backup: Backup, other: Server, availability: str
) -> None:
    Server.objects.filter(pk=other.pk).update(availability=availability)
    assert "other:" not in _plain(root.get(_act(backup)))
    answer = root.post(_act(backup), _wanted(backup, server="other"))
    assert answer.status_code == 422
    assert "This server takes nothing new; choose another one." in _plain(answer)
    assert Instance.objects.count() == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": ""}, "Give it a name."),
        ({"name": "book"}, "You already have an instance named book"),
        ({"plan": "none"}, "Choose one of these plans."),
        ({"server": "none"}, "This server takes nothing new; choose another one."),
    ],
)
def test_bad_input_is_said_at_its_field(
    root: Browser, backup: Backup, changed: dict[str, str], said: str
) -> None:
    answer = root.post(_act(backup), _wanted(backup) | changed)
    assert answer.status_code == 422
    assert said in _plain(answer)
    assert Instance.objects.count() == 1


def test_a_double_click_makes_one(root: Browser, backup: Backup) -> None:
    found = re.search(r'name="sent_as" value="([^"]+)"', root.get(_act(backup)).content.decode())
    assert found is not None
    for _ in range(2):
        assert root.post(_act(backup), _wanted(backup, sent_as=found[1])).status_code == 302
    assert Instance.objects.filter(made_from=backup).count() == 1


@pytest.mark.parametrize(("group", "makes"), [("operations", True), ("support", False)])
def test_only_who_may_order_and_restore_makes_one(
    staff: Staff, backup: Backup, group: str, makes: bool
) -> None:
    browser = staff(group)
    assert (_act(backup) in browser.get(_change(backup)).content.decode()) == makes
    assert browser.get(_act(backup)).status_code == (200 if makes else 403)
    assert browser.post(_act(backup), _wanted(backup)).status_code == (302 if makes else 403)
    assert Instance.objects.filter(name="copy").exists() == makes


def test_what_was_let_go_makes_none(root: Browser, backup: Backup) -> None:
    Backup.objects.update(removed_at=timezone.now())
    assert _act(backup) not in root.get(_change(backup)).content.decode()
    assert "has been let go" in _plain(root.post(_act(backup), _wanted(backup)))
    assert Instance.objects.count() == 1


def test_a_deleted_instances_backups_are_found_and_make_a_new_one(
    root: Browser, backup: Backup, order: Order
) -> None:
    there = recorded(order("there"))
    _delete(backup.instance, days=3)
    listed = root.get(reverse("admin:hosting_backup_changelist"), {"instance": "deleted"})
    assert [each.pk for each in listed.context["cl"].queryset] == [backup.pk]
    assert "Instance deleted; kept until 3 weeks, 6 days from now" in _plain(listed)
    others = root.get(reverse("admin:hosting_backup_changelist"), {"instance": "exists"})
    assert [each.pk for each in others.context["cl"].queryset] == [there.pk]
    page = root.get(_change(backup)).content.decode()
    assert "Restore …" not in page, "there is nothing to put it back into"
    assert _act(backup) in page
    assert "book was deleted." in _plain(root.get(_act(backup)))
    root.post(_act(backup), _wanted(backup, name="book"))
    made = Instance.objects.exclude(state="deleted").get(name="book")
    assert made.made_from == backup


def test_many_servers_cost_no_more_queries(root: Browser, backup: Backup) -> None:
    few = _count(root, _act(backup))
    for number in range(6):
        Server.objects.create(name=f"s{number}", engine="memory", memory_mb=2048, disk_gb=50)
    assert _count(root, _act(backup)) == few


def _delete(instance: Instance, *, days: int) -> None:
    """As it is written down once the engine shows nothing of it."""
    instance.hostnames.all().delete()
    at = timezone.now() - timedelta(days=days) + timedelta(minutes=1)
    Instance.objects.filter(pk=instance.pk).update(state="deleted", deleted_at=at)


def _wanted(backup: Backup, **more: str) -> dict[str, str]:
    return {"name": "copy", "plan": backup.instance.plan.slug, "server": "", **more}


def _act(backup: Backup) -> str:
    return reverse("admin:hosting_backup_clone", args=[backup.pk])


def _change(row: Any) -> str:
    return reverse(f"admin:hosting_{row._meta.model_name}_change", args=[row.pk])


def _plain(answer: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def _count(browser: Browser, url: str) -> int:
    browser.get(url)
    with CaptureQueriesContext(connection) as captured:
        assert browser.get(url).status_code == 200
    return len(captured)
