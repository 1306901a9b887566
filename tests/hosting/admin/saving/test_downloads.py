"""Staff taking a client's backup out: who may, what is asked, and what is written down."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client as Browser
from django.urls import reverse

from hosting.models import Backup, Instance, Operation, Server
from tenants.models import AuditEvent, User
from tests.hosting.saved import Template, make_template, place

Staff = Callable[[str], Browser]
WorkOff = Callable[[Instance], Operation]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def backup(
    template: Template,
    order: Callable[..., Instance],
    memory_server: Server,
    work_off: WorkOff,
    backup_target: Path,
) -> Backup:
    """A proven one, in a real repository."""
    instance = order()
    work_off(instance)
    return place(template, instance, backup_target)


def act(backup: Backup) -> str:
    return reverse("admin:hosting_backup_download", args=[backup.pk])


def page(backup: Backup) -> str:
    return reverse("admin:hosting_backup_change", args=[backup.pk])


def downloads() -> int:
    return AuditEvent.objects.filter(action="backup.downloaded").count()


def test_it_is_sent_to_whoever_was_given_the_right(staff: Staff, backup: Backup) -> None:
    browser = staff("support")
    assert act(backup) not in browser.get(page(backup)).content.decode()
    assert browser.post(act(backup), {"reason": "Ticket 7"}).status_code == 403
    right = Permission.objects.get(codename="download_backup")
    User.objects.get(email="support@berth.example").user_permissions.add(right)
    assert act(backup) in browser.get(page(backup)).content.decode()
    asked = browser.get(act(backup)).content.decode()
    assert "every secret of the instance" in asked
    assert downloads() == 0
    answer: Any = browser.post(act(backup), {"reason": "Ticket 7"})
    event = AuditEvent.objects.get(action="backup.downloaded")  # before a byte was read
    assert (event.actor_label, event.object_label) == (
        "Support <support@berth.example>",
        "acme/book",
    )
    assert (event.client_id, event.after["reason"]) == (backup.instance.client_id, "Ticket 7")
    content = b"".join(answer.streaming_content)
    assert int(answer["Content-Length"]) == len(content)
    assert answer["Content-Disposition"].endswith('.tar"')
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert any(each.endswith("/restore.sh") for each in archive.getnames())


@pytest.mark.parametrize("group", ["operations", "support", "finance"])
def test_no_group_may(staff: Staff, backup: Backup, group: str) -> None:
    browser = staff(group)
    assert browser.get(act(backup)).status_code == 403
    assert browser.post(act(backup), {"reason": "Curious"}).status_code == 403
    assert downloads() == 0


def test_a_reason_is_asked_for(root: Browser, backup: Backup) -> None:
    answer = root.post(act(backup), {"reason": " "})
    assert (answer.status_code, downloads()) == (422, 0)
    assert "Say what it is needed for." in answer.content.decode()


def test_what_is_gone_or_can_not_be_read_is_said(
    root: Browser, backup: Backup, backup_target: Path
) -> None:
    backup_target.rename(backup_target.with_name("away"))
    answer = root.post(act(backup), {"reason": "Ticket 7"})
    assert answer.status_code == 422
    assert "is its disk mounted?" in answer.content.decode()
    Backup.objects.update(removed_at=backup.taken_at)
    answer = root.post(act(backup), {"reason": "Ticket 7"})
    assert answer.status_code == 422
    assert "was let go" in answer.content.decode()
    assert "Ticket 7" in answer.content.decode()
    assert act(backup) not in root.get(page(backup)).content.decode()
    assert downloads() == 0
