"""Backups in the admin: looked at, kept, asked for; and what is overdue."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from hosting.models import Backup, BackupStore, Instance, Operation, Plan, Server
from hosting.services.saving import backups
from tenants.models import AuditEvent, Client
from tenants.services.actors import Actor

Order = Callable[..., Instance]
Staff = Callable[[str], Browser]
WorkOff = Callable[[Instance], Operation]
LIST = "admin:hosting_backup_changelist"
INSTANCES = "admin:hosting_instance_changelist"
PLAN = {
    "name": "Small",
    "description": "",
    "cpus": "1",
    "memory_mb": "512",
    "disk_gb": "5",
    "processes": "256",
    "keep_daily": "7",
    "at_limit": "notify",
    "point_in_time_days": "0",
    "keep_weekly": "4",
    "keep_monthly": "3",
    "keep_yearly": "0",
    "is_active": "on",
    "position": "0",
}


@pytest.fixture
def book(order: Order, memory_server: Server, work_off: WorkOff) -> Instance:
    """An instance that has been running for three days."""
    instance = order()
    work_off(instance)
    Instance.objects.update(first_running_at=timezone.now() - timedelta(days=3))
    instance.refresh_from_db()
    return instance


def test_the_list_says_what_each_is_worth(root: Browser, book: Instance) -> None:
    _proven(book, size_bytes=1_234_567, stored_bytes=98_300)
    page = root.get(reverse(LIST)).content.decode()
    for words in ("Proven", "book", "Acme", "Nightly", "1.2 MB", "98.3 kB", "6\xa0hours ago"):
        assert words in page


def test_the_list_is_narrowed(root: Browser, book: Instance, actor: Actor) -> None:
    kept = _proven(book, is_pinned=True)
    gone = _proven(book, removed_at=timezone.now())
    open_one = backups.request(instance=book, actor=actor)
    wanted = {
        ("proof", "proven"): {kept, gone},
        ("proof", "unproven"): {open_one},
        ("data", "there"): {kept, open_one},
        ("data", "removed"): {gone},
        ("trigger__exact", "asked"): {open_one},
        ("is_pinned__exact", "1"): {kept},
        ("app", "guestbook"): {kept, gone, open_one},
        ("app", "n8n"): set(),
        ("q", "acme"): {kept, gone, open_one},
        ("q", str(kept.pk)): {kept},
    }
    for (name, value), found in wanted.items():
        page = root.get(reverse(LIST), {name: value})
        assert set(page.context["cl"].queryset) == found, (name, value)


@pytest.mark.parametrize("field", ["secrets", "manifest", "stored", "instance__backup_store__path"])
def test_nobody_guesses_by_filtering(root: Browser, book: Instance, field: str) -> None:
    _proven(book)
    for lookup in (field, f"{field}__startswith", f"{field}__app"):
        assert root.get(reverse(LIST), {lookup: "x"}).status_code == 400


def test_the_page_says_all_but_what_is_secret(root: Browser, book: Instance) -> None:
    backup = _proven(book, secrets='{"KEY": "sesame-of-the-app"}')
    password = backups.store_of(instance=book).password
    html = root.get(_page(backup)).content.decode()
    for words in ("guestbook 2", "postgres/db.dump", "1 MB", "As its plan says", "6 min 40 s"):
        assert words in html
    pages = [_page(backup), reverse(LIST), reverse("admin:index"), _instance_page(book)]
    for page in pages:
        html = root.get(page).content.decode()
        assert "sesame" not in html
        assert password not in html
    assert not admin.site.is_registered(BackupStore)


def test_it_can_only_be_read(root: Browser, book: Instance) -> None:
    backup = _proven(book)
    assert root.post(_page(backup), {"is_pinned": "on"}).status_code == 403
    delete = reverse("admin:hosting_backup_delete", args=[backup.pk])
    assert root.post(delete, {"post": "yes"}).status_code == 403
    assert root.get(reverse("admin:hosting_backup_add")).status_code == 403


def test_a_backup_is_kept_and_let_go(root: Browser, book: Instance) -> None:
    backup = _proven(book)
    keep, let_go = _act(backup, "keep"), _act(backup, "let_go")
    assert keep in root.get(_page(backup)).content.decode()
    assert _said(root.post(keep)) == ["It is kept until it is let go by hand."]
    html = root.get(_page(backup)).content.decode()
    assert let_go in html
    assert "Until it is let go by hand" in html
    root.post(let_go)
    backup.refresh_from_db()
    assert not backup.is_pinned
    events = AuditEvent.objects.filter(action__startswith="backup.").order_by("sequence")
    assert [each.action for each in events] == ["backup.pinned", "backup.unpinned"]
    assert events[0].actor_label == "Root <root@berth.example>"
    assert root.get(keep).status_code == 405


def test_one_that_is_gone_is_not_kept(root: Browser, book: Instance) -> None:
    backup = _proven(book, removed_at=timezone.now())
    assert _act(backup, "keep") not in root.get(_page(backup)).content.decode()
    said = _said(root.post(_act(backup, "keep")))
    assert said == ["Only a backup that was verified and is still there can be kept."]


@pytest.mark.parametrize(
    ("group", "looks", "keeps", "lets_go"),
    [
        ("operations", True, True, True),
        ("support", True, True, False),
        ("finance", False, False, False),
    ],
)
def test_a_group_does_only_what_it_may(
    staff: Staff, book: Instance, group: str, looks: bool, keeps: bool, lets_go: bool
) -> None:
    plain, kept = _proven(book), _proven(book, is_pinned=True)
    browser = staff(group)
    assert browser.get(_page(plain)).status_code == (200 if looks else 403)
    if looks:
        assert (_act(kept, "let_go") in browser.get(_page(kept)).content.decode()) == lets_go
    assert browser.post(_act(plain, "keep")).status_code == (302 if keeps else 403)
    assert browser.post(_act(kept, "let_go")).status_code == (302 if lets_go else 403)
    plain.refresh_from_db()
    kept.refresh_from_db()
    assert (plain.is_pinned, kept.is_pinned) == (keeps, not lets_go)
    overview = browser.get(reverse("admin:index")).content.decode()
    assert ("Last proven backup" in browser.get(_instance_page(book)).content.decode()) == looks
    assert "Instances without a proven backup" not in overview


def test_an_instance_is_backed_up_by_a_button(root: Browser, book: Instance) -> None:
    act = reverse("admin:hosting_instance_act", args=[book.pk, "backup"])
    assert "Back up now" in root.get(_instance_page(book)).content.decode()
    answer = root.post(act)
    backup = Backup.objects.get()
    assert backup.trigger == "asked"
    assert backup.operation is not None
    operation = reverse("admin:hosting_operation_change", args=[backup.operation_id])
    assert answer.headers["Location"] == operation
    assert "Back up book" in root.get(operation).content.decode()
    assert "book is busy: “Back up”" in _said(root.post(act))[-1]
    assert Backup.objects.count() == 1


def test_an_inactive_clients_data_is_still_saved(
    root: Browser, book: Instance, acme: Client
) -> None:
    acme.is_active = False
    acme.save()
    assert "Back up now" in root.get(_instance_page(book)).content.decode()
    root.post(reverse("admin:hosting_instance_act", args=[book.pk, "backup"]))
    assert Backup.objects.count() == 1


def test_several_are_backed_up_and_each_refusal_is_named(
    root: Browser, book: Instance, order: Order
) -> None:
    fresh = order("fresh")
    chosen = [str(book.pk), str(fresh.pk)]
    form = {"action": "back_up_selected", "_selected_action": chosen}
    said = sorted(_said(root.post(reverse(INSTANCES), form)))
    assert said[0] == "Backing up 1."
    assert said[1].startswith("acme/fresh: fresh is busy")
    assert Backup.objects.get().instance == book


def test_the_first_page_names_what_has_no_proven_backup(root: Browser, book: Instance) -> None:
    index = reverse("admin:index")
    html = root.get(index).content.decode()
    assert "Instances without a proven backup" in html
    assert _instance_page(book) in html
    _proven(book)
    assert "Instances without a proven backup" not in root.get(index).content.decode()


def test_many_that_are_overdue_cost_no_more_queries(
    root: Browser, book: Instance, order: Order
) -> None:
    few = _count(root, reverse("admin:index"))
    for number in range(6):
        order(f"more-{number}")
    Instance.objects.update(state="running", first_running_at=book.first_running_at)
    Operation.objects.all().delete()
    assert _count(root, reverse("admin:index")) <= few


def test_a_plan_says_how_many_backups_it_keeps(root: Browser, small: Plan) -> None:
    page = reverse("admin:hosting_plan_change", args=[small.pk])
    assert "Backups kept" in root.get(page).content.decode()
    root.post(page, {**PLAN, "keep_daily": "14", "keep_yearly": "2"})
    small.refresh_from_db()
    assert (small.keep_daily, small.keep_weekly, small.keep_yearly) == (14, 4, 2)
    event = AuditEvent.objects.get(action="plan.updated")
    assert event.after == {"keep_daily": 14, "keep_yearly": 2}


def test_a_plan_in_use_keeps_more_but_never_fewer(
    root: Browser, book: Instance, small: Plan
) -> None:
    page = reverse("admin:hosting_plan_change", args=[small.pk])
    answer = root.post(page, {**PLAN, "keep_daily": "14", "keep_monthly": "2"})
    [message] = answer.context["adminform"].form.errors["keep_monthly"]
    assert message.startswith("1 instance runs on this plan, so it keeps no fewer backups")
    small.refresh_from_db()
    assert (small.keep_daily, small.keep_monthly) == (7, 3)
    root.post(page, {**PLAN, "keep_daily": "14"})
    small.refresh_from_db()
    assert small.keep_daily == 14


def _proven(instance: Instance, **more: Any) -> Backup:
    at = timezone.now() - timedelta(hours=6)
    values = {
        "trigger": "nightly",
        "created_at": at,
        "taken_at": at - timedelta(seconds=400),
        "verified_at": at,
        "manifest": {"app": "guestbook", "version": "2"},
        "stored": [{"path": "postgres/db.dump", "size": 10**6, "stored_bytes": 10**5}],
        "size_bytes": 10**6,
    }
    return Backup.objects.create(instance=instance, **{**values, **more})


def _page(backup: Backup) -> str:
    return reverse("admin:hosting_backup_change", args=[backup.pk])


def _act(backup: Backup, verb: str) -> str:
    return reverse(f"admin:hosting_backup_{verb}", args=[backup.pk])


def _instance_page(instance: Instance) -> str:
    return reverse("admin:hosting_instance_change", args=[instance.pk])


def _count(browser: Browser, url: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert browser.get(url).status_code == 200
    return len(captured)


def _said(response: Any) -> list[str]:
    return [str(each) for each in get_messages(response.wsgi_request)]
