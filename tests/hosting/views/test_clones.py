"""What a client is asked for to make a new instance from a backup."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client as Browser

from hosting.models import Backup, Instance
from tenants.models import Role, User
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
