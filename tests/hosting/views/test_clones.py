"""What a client is asked for to make a new instance from a backup."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client as Browser

from hosting.models import Backup, Instance
from tenants.models import Client, Role, User
from tests.hosting.saved import recorded

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], object]
Login = Callable[[User | None], Browser]


@pytest.fixture
def backup(order: Order, work_off: WorkOff) -> Backup:
    """A proven one of the instance book."""
    book = order("book")
    work_off(book)
    return recorded(book)


def _clone(backup: Backup) -> str:
    return f"/c/acme/instances/book/backups/{backup.pk}/clone"


def test_it_is_ordered_with_a_name_and_a_plan(backup: Backup, browser: Browser) -> None:
    page = browser.get(_clone(backup).replace("/clone", "/restore")).content.decode()
    assert f'action="{_clone(backup)}"' in page
    sent = {"name": "copy", "plan": backup.instance.plan.slug}
    assert browser.post(_clone(backup), sent)["Location"] == "/c/acme/instances/copy/"
    made = Instance.objects.get(name="copy")
    assert made.made_from == backup
    page = browser.get("/c/acme/instances/copy/").content.decode()
    assert "Setting up from a backup" in page
    assert "a backup of book" in " ".join(page.split())


@pytest.mark.parametrize(
    ("name", "said"),
    [("", "Give it a name."), ("book", "You already have an instance named book")],
)
def test_what_is_wrong_is_said_beside_what_was_typed(
    backup: Backup, browser: Browser, name: str, said: str
) -> None:
    answer = browser.post(_clone(backup), {"name": name, "plan": backup.instance.plan.slug})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert said in page
    assert f'value="{name}"' in page
    assert Instance.objects.count() == 1


def test_only_who_may_order_makes_one(
    backup: Backup, login: Login, member: Callable[[Role], User]
) -> None:
    for role in (Role.VIEWER, Role.BILLING):
        browser = login(member(role))
        sent = {"name": "copy", "plan": backup.instance.plan.slug}
        assert browser.post(_clone(backup), sent).status_code == 403
    assert Instance.objects.count() == 1


def test_a_double_click_makes_one(backup: Backup, browser: Browser) -> None:
    page = browser.get(_clone(backup).replace("/clone", "/restore")).content.decode()
    found = re.search(r'name="order_key" value="([^"]+)"', page)
    assert found is not None
    sent = {"name": "copy", "plan": backup.instance.plan.slug, "order_key": found[1]}
    for _ in range(2):
        assert browser.post(_clone(backup), sent)["Location"] == "/c/acme/instances/copy/"
    assert Instance.objects.filter(made_from=backup).count() == 1
    key = {"Idempotency-Key": "b7"}
    for _ in range(2):
        answer = browser.post(_clone(backup), {**sent, "name": "other"}, headers=key)
        assert answer["Location"] == "/c/acme/instances/other/"
    assert Instance.objects.filter(made_from=backup).count() == 2
    answer = browser.post(_clone(backup), {**sent, "name": "third"}, headers=key)
    assert answer.status_code == 422
    assert "sent before with other contents" in answer.content.decode()


@pytest.mark.parametrize("client", ["acme", "globex"])
def test_someone_elses_backup_is_not_copied(
    client: str, backup: Backup, mallory: User, login: Login, order: Order, globex: Client
) -> None:
    order("mine", client=globex)
    browser = login(mallory)
    sent = {"name": "copy", "plan": backup.instance.plan.slug}
    for name in ("book", "mine"):
        path = f"/c/{client}/instances/{name}/backups/{backup.pk}/clone"
        assert browser.post(path, sent).status_code == 404
    assert not Instance.objects.filter(made_from=backup).exists()


def test_nothing_is_copied_at_an_inactive_client(
    backup: Backup, browser: Browser, acme: Client
) -> None:
    acme.is_active = False
    acme.save()
    sent = {"name": "copy", "plan": backup.instance.plan.slug}
    assert browser.post(_clone(backup), sent).status_code == 403
    assert not Instance.objects.filter(made_from=backup).exists()


def test_a_plan_that_is_too_small_for_the_data_is_not_offered(
    backup: Backup, browser: Browser
) -> None:
    Backup.objects.update(size_bytes=6 * 2**30)
    page = browser.get(_clone(backup).replace("/clone", "/restore")).content.decode()
    assert "(too small)" in page
    sent = {"name": "copy", "plan": backup.instance.plan.slug}
    answer = browser.post(_clone(backup), sent)
    assert answer.status_code == 422
    assert "Guestbook needs 6 GB of disk; Small has less." in answer.content.decode()
    assert not Instance.objects.filter(made_from=backup).exists()


def test_it_takes_a_post_with_a_token(backup: Backup, alice: User) -> None:
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    assert browser.get(_clone(backup)).status_code == 405
    sent = {"name": "copy", "plan": backup.instance.plan.slug}
    assert browser.post(_clone(backup), sent).status_code == 403
    assert not Instance.objects.filter(made_from=backup).exists()
