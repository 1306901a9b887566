"""Upgrades, rehearsals and rollouts in the admin."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client as Browser
from django.urls import reverse

from hosting.models import Instance, Rollout
from tenants.models import AuditEvent, Client
from tests.hosting.admin.upgrading.rolled_out import (
    BEGIN,
    WANTED,
    change,
    plain,
    rehearsed,
    text,
    upgraded,
)

Order = Callable[..., Instance]
Staff = Callable[[str], Browser]


def test_one_is_begun_and_then_watched(root: Browser, fleet: list[Instance]) -> None:
    listed = root.get(reverse("admin:hosting_rollout_changelist")).content.decode()
    assert f'href="{reverse(BEGIN)}"' in listed
    words = text(root, reverse(BEGIN))
    assert "guestbook 2: 3 instances" in words
    assert "Each instance is rehearsed on a copy of its newest backup first" in words
    assert not Rollout.objects.exists()
    answer = root.post(reverse(BEGIN), WANTED)
    made = Rollout.objects.get()
    assert answer.headers["Location"] == change(made)
    assert (made.app, made.version, made.wave_size) == ("guestbook", "2", 2)
    assert (made.pause, made.most_failures, made.in_window) == (timedelta(minutes=30), 1, True)
    event = AuditEvent.objects.get(action="rollout.begun")
    assert event.actor_label == "Root <root@berth.example>"
    html = root.get(change(made)).content.decode()
    words = plain(html)
    for told in (
        "guestbook 2 for 3 instances, 2 at a time.",
        "Canaries Waiting 1 instance",
        "Wave 1 Waiting 2 instances",
        "it stops itself at 2",
        "01:00 to 05:00, Europe/Berlin",
        "Within each instance's hours",
        "0 of 3 instances ended",
    ):
        assert told in words
    assert 'hx-trigger="every 2s"' in html
    assert f'href="{change(fleet[0])}"' in html


def test_it_is_stopped_by_a_click(root: Browser, fleet: list[Instance]) -> None:
    root.post(reverse(BEGIN), WANTED)
    made = Rollout.objects.get()
    stop = reverse("admin:hosting_rollout_stop", args=[made.pk])
    assert stop in root.get(change(made)).content.decode()
    assert root.get(stop).status_code == 405
    assert "Nothing more is begun." in _said(root.post(stop))[-1]
    made.refresh_from_db()
    assert made.state == "stopped"
    html = root.get(change(made)).content.decode()
    assert "Stopped by Root" in html
    assert "The rollout was stopped before its turn." in html
    assert stop not in html
    assert 'hx-trigger="every' not in html
    assert "has ended already" in _said(root.post(stop))[-1]


def test_it_is_paused_and_resumed_by_a_click(root: Browser, fleet: list[Instance]) -> None:
    root.post(reverse(BEGIN), WANTED)
    made = Rollout.objects.get()
    pause, resume = (
        reverse(f"admin:hosting_rollout_{each}", args=[made.pk]) for each in ("pause", "resume")
    )
    html = root.get(change(made)).content.decode()
    assert pause in html
    assert resume not in html
    assert "begins nothing more until it is resumed" in _said(root.post(pause))[-1]
    html = root.get(change(made)).content.decode()
    assert "Paused" in html
    assert "Waits until the rollout is resumed" in html
    assert resume in html
    assert pause not in html
    assert "paused already" in _said(root.post(pause))[-1]
    assert "It goes on." in _said(root.post(resume))[-1]
    assert "is not paused" in _said(root.post(resume))[-1]
    event = AuditEvent.objects.get(action="rollout.paused")
    assert event.actor_label == "Root <root@berth.example>"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"target": "guestbook 1"}, "Choose one of these apps."),
        ({"target": ""}, "Fill this in."),
        ({"wave_size": "0"}, "A wave has at least one instance."),
        ({"wave_size": "many"}, "Type a whole number."),
        ({"pause": "-1"}, "A pause can't be shorter than nothing."),
        ({"most_failures": ""}, "Fill this in."),
        ({"target": "n8n 1.123.81"}, "No instance of n8n can be changed to 1.123.81 now."),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_field(
    changes: dict[str, str], sentence: str, root: Browser, fleet: list[Instance]
) -> None:
    answer = root.post(reverse(BEGIN), {**WANTED, **changes})
    assert answer.status_code == 422
    assert sentence in plain(answer.content.decode())
    assert not Rollout.objects.exists()


def test_a_second_one_of_the_app_waits(root: Browser, fleet: list[Instance]) -> None:
    root.post(reverse(BEGIN), WANTED)
    answer = root.post(reverse(BEGIN), WANTED)
    assert answer.status_code == 422
    assert "A rollout of guestbook has not ended yet" in plain(answer.content.decode())
    assert Rollout.objects.count() == 1


def test_upgrades_and_rehearsals_are_read(root: Browser, fleet: list[Instance]) -> None:
    made = upgraded(fleet[0], trouble="web ended. Its last words: a / b")
    rehearsal = rehearsed(fleet[0])
    words = text(root, reverse("admin:hosting_upgrade_changelist"))
    for told in ("one", "Acme", "Version 1 to 2", "12 s", "Did not come back", "web ended."):
        assert told in words
    assert "a / b" not in words
    words = text(root, change(made))
    for told in ("The instance was changed.", "The app did not come up again: web ended.", "1 → 2"):
        assert told in words
    words = text(root, reverse("admin:hosting_rehearsal_changelist"))
    for told in ("one", "Acme", "Passed", "41 s"):
        assert told in words
    words = text(root, change(rehearsal))
    assert "The new version came up with the data of the backup" in words
    assert "entries 7 7 Yes" in words
    page = root.get(change(fleet[0])).content.decode()
    assert "Latest upgrades" in page
    assert f'href="{change(made)}"' in page
    for row in (made, rehearsal):
        assert root.post(change(row), {"trouble": "x"}).status_code == 403
        kind = row._meta.model_name
        delete = reverse(f"admin:hosting_{kind}_delete", args=[row.pk])
        assert root.post(delete, {"post": "yes"}).status_code == 403


@pytest.mark.parametrize(
    ("page", "lookup"),
    [
        ("upgrade", "safety__secrets__startswith"),
        ("rehearsal", "backup__secrets__startswith"),
        ("rollout", "requested_by__password__startswith"),
    ],
)
def test_nobody_guesses_by_filtering(
    page: str, lookup: str, root: Browser, fleet: list[Instance]
) -> None:
    rehearsed(fleet[0])
    upgraded(fleet[0])
    listed = reverse(f"admin:hosting_{page}_changelist")
    assert root.get(listed, {lookup: "x"}).status_code == 400


@pytest.mark.parametrize("group", ["operations", "support", "finance"])
def test_a_group_does_only_what_it_may(
    staff: Staff, fleet: list[Instance], root: Browser, group: str
) -> None:
    root.post(reverse(BEGIN), WANTED)
    made = Rollout.objects.get()
    browser = staff(group)
    may = group == "operations"
    assert browser.get(change(made)).status_code == (200 if may else 403)
    live = reverse("admin:hosting_rollout_live", args=[made.pk])
    assert browser.get(live).status_code == (200 if may else 403)
    looks = 403 if group == "finance" else 200
    assert browser.get(change(upgraded(fleet[0]))).status_code == looks
    assert browser.get(change(rehearsed(fleet[0]))).status_code == looks
    for each in ("pause", "resume"):
        act = reverse(f"admin:hosting_rollout_{each}", args=[made.pk])
        assert browser.post(act).status_code == (302 if may else 403)
    stop = reverse("admin:hosting_rollout_stop", args=[made.pk])
    assert browser.post(stop).status_code == (302 if may else 403)
    assert browser.post(reverse(BEGIN), WANTED).status_code == (302 if may else 403)
    assert Rollout.objects.filter(state="running").count() == 1
    canary = {"ring": "canary", "changes_from": "02:00", "changes_until": "04:00"}
    assert browser.post(_new_versions(fleet[1]), canary).status_code == (302 if may else 403)
    assert (_new_versions(fleet[1]) in browser.get(change(fleet[1])).content.decode()) == may
    fleet[1].refresh_from_db()
    assert (fleet[1].ring == "canary") == may


def test_staff_choose_the_canaries(root: Browser, fleet: list[Instance]) -> None:
    one = fleet[0]
    assert "With the rest, 01:00 to 05:00 (Europe/Berlin)" in text(root, change(one))
    assert "When does one of Acme get new versions?" in text(root, _new_versions(one))
    canary = {"ring": "canary", "changes_from": "02:00", "changes_until": "04:00"}
    assert root.post(_new_versions(one), canary).headers["Location"] == change(one)
    assert "With the first, 02:00 to 04:00" in text(root, change(one))
    event = AuditEvent.objects.get(action="instance.new_versions_set")
    assert (event.before["ring"], event.after["ring"]) == ("normal", "canary")
    assert event.actor_label == "Root <root@berth.example>"
    root.post(_new_versions(one), {**canary, "ring": "never"})
    assert "Only when asked for" in text(root, change(one))


def test_hours_that_are_none_are_refused(
    root: Browser, fleet: list[Instance], acme: Client
) -> None:
    page = _new_versions(fleet[0])
    same = {"ring": "normal", "changes_from": "02:00", "changes_until": "02:00"}
    answer = root.post(page, same)
    assert answer.status_code == 422
    assert "The hours begin and end at the same time." in plain(answer.content.decode())
    answer = root.post(page, {**same, "changes_until": "late", "ring": "first"})
    assert answer.status_code == 422
    assert "Type a time, such as 01:00." in plain(answer.content.decode())
    acme.is_active = False
    acme.save()
    answer = root.post(page, {**same, "changes_until": "04:00"})
    assert answer.status_code == 422
    assert "Acme is inactive" in plain(answer.content.decode())
    assert not AuditEvent.objects.filter(action="instance.new_versions_set").exists()


def _new_versions(instance: Instance) -> str:
    return reverse("admin:hosting_instance_new_versions", args=[instance.pk])


def _said(response: Any) -> list[str]:
    return [str(each) for each in get_messages(response.wsgi_request)]
