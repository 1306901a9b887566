"""Taking a backup out: who may, what is refused, and what is written down."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client as Browser

from hosting.models import Backup, Instance, Operation
from hosting.services import instances
from hosting.services.saving import backups
from tenants.models import AuditEvent, Client, Role, User
from tenants.services.actors import Actor
from tests.hosting.saved import Template, make_template, place

Login = Callable[[User | None], Browser]
WorkOff = Callable[[Instance], Operation]


@pytest.fixture
def instance(order: Callable[..., Instance], work_off: WorkOff) -> Instance:
    instance = order()
    work_off(instance)
    return instance


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def backup(template: Template, instance: Instance, backup_target: Path) -> Backup:
    """A proven one, in a real repository."""
    return place(template, instance, backup_target)


def address(backup: Backup, client: str = "acme", name: str = "book") -> str:
    return f"/c/{client}/instances/{name}/backups/{backup.pk}/download"


def body(answer: Any) -> bytes:
    """All of it; reading to the end also ends the request."""
    return b"".join(answer.streaming_content)


def downloads() -> int:
    return AuditEvent.objects.filter(action="backup.downloaded").count()


def test_an_owner_gets_the_archive(backup: Backup, browser: Browser, alice: User) -> None:
    answer = browser.get(address(backup))
    assert answer.status_code == 200
    event = AuditEvent.objects.get(action="backup.downloaded")  # before a byte was read
    assert event.actor_label == f"Alice <{alice.email}>"
    assert (event.client_id, event.object_label) == (alice.memberships.get().client_id, "acme/book")
    assert event.after["backup"] == str(backup.pk)

    content = body(answer)
    name = "guestbook-book-20260301-0234"
    assert answer["Content-Type"] == "application/x-tar"
    assert answer["Content-Disposition"] == f'attachment; filename="{name}.tar"'
    assert int(answer["Content-Length"]) == len(content)
    assert "no-store" in answer["Cache-Control"]
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert f"{name}/restore.sh" in archive.getnames()


def test_it_is_said_in_words(backup: Backup, browser: Browser) -> None:
    assert body(browser.get(address(backup)))
    assert "downloaded a backup of" in browser.get("/c/acme/audit/").content.decode()


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.OWNER}))
def test_others_than_owners_are_refused(
    role: Role, backup: Backup, member: Callable[[Role], User], login: Login
) -> None:
    answer = login(member(role)).get(address(backup))
    assert answer.status_code == 403
    assert f"As {role.label.lower()} of Acme you may not download backups" in (
        answer.content.decode()
    )
    assert downloads() == 0


@pytest.mark.parametrize("page", ["/c/acme/instances/book/", "/c/acme/instances/book/backups/"])
def test_the_pages_offer_it_to_owners_alone(
    page: str, backup: Backup, browser: Browser, member: Callable[[Role], User], login: Login
) -> None:
    offered = f'href="{address(backup)}"'
    assert offered in browser.get(page).content.decode()
    for role in (Role.ADMIN, Role.VIEWER):
        assert offered not in login(member(role)).get(page).content.decode()


def test_strangers_find_nothing(backup: Backup, mallory: User, login: Login) -> None:
    browser = login(mallory)
    assert browser.get(address(backup)).status_code == 404
    assert browser.get(address(backup, client="globex")).status_code == 404
    staff = User.objects.create_superuser("staff@berth.example", name="Bob")
    assert login(staff).get(address(backup)).status_code == 404
    assert downloads() == 0


def test_a_backup_is_found_at_its_own_instance_alone(
    backup: Backup, browser: Browser, order: Callable[..., Instance]
) -> None:
    order("other")
    assert browser.get(address(backup, name="other")).status_code == 404


def test_nobody_is_asked_to_log_in(backup: Backup, login: Login) -> None:
    answer = login(None).get(address(backup))
    assert answer["Location"] == f"/account/login/?next={address(backup)}"


@pytest.mark.parametrize("method", ["head", "post", "put", "delete"])
def test_only_a_get_takes_it_out(method: str, backup: Backup, browser: Browser) -> None:
    assert getattr(browser, method)(address(backup)).status_code == 405
    assert downloads() == 0


def test_one_that_is_being_made_is_refused(
    instance: Instance, browser: Browser, actor: Actor
) -> None:
    backup = backups.request(instance=instance, actor=actor)
    answer = browser.get(address(backup))
    assert answer.status_code == 409
    assert "This backup is still being made" in answer.content.decode()
    assert downloads() == 0


def test_one_that_was_let_go_is_refused(backup: Backup, browser: Browser) -> None:
    backups.let_go_of(backup=backup)
    answer = browser.get(address(backup))
    assert answer.status_code == 409
    assert "This backup was let go" in answer.content.decode()
    assert downloads() == 0


def test_a_store_that_is_away_is_told_on_a_page(
    backup: Backup, browser: Browser, backup_target: Path
) -> None:
    backup_target.rename(backup_target.with_name("unmounted"))
    answer = browser.get(address(backup))
    page = answer.content.decode()
    assert answer.status_code == 503
    assert "The backup store does not answer. Please try again in some minutes." in page
    assert str(backup_target) not in page  # of no use to a client
    assert downloads() == 0


def test_a_store_that_is_lost_is_told_on_a_page(
    backup: Backup, browser: Browser, backup_target: Path
) -> None:
    for config in backup_target.glob("*/*/config"):
        config.unlink()
    answer = browser.get(address(backup))
    assert answer.status_code == 503
    assert "This backup can&#x27;t be read at the moment" in answer.content.decode()
    assert downloads() == 0


def test_an_instance_that_is_gone_leaves_its_backups(
    backup: Backup, browser: Browser, work_off: WorkOff, actor: Actor
) -> None:
    instances.delete(instance=backup.instance, confirmation="book", actor=actor)
    work_off(backup.instance)
    answer = browser.get(address(backup))
    assert answer.status_code == 200
    assert len(body(answer)) == int(answer["Content-Length"])


def test_an_inactive_client_still_gets_its_data(
    backup: Backup, browser: Browser, acme: Client
) -> None:
    acme.is_active = False
    acme.save()
    answer = browser.get(address(backup))
    assert answer.status_code == 200
    assert body(answer).endswith(bytes(1024))
