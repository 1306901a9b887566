"""What is left of deleted instances: their backups, and new instances from these."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client as Browser
from django.utils import timezone

from hosting.models import Backup, Instance
from tenants.models import Role, User
from tests.hosting.saved import recorded
from tests.hosting.views.reading import count, plain

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], object]
Login = Callable[[User | None], Browser]
LIST = "/c/acme/deleted-instances/"


@pytest.fixture
def backup(order: Order, work_off: WorkOff) -> Backup:
    """A proven one of the instance book, which was deleted three days ago."""
    book = order("book")
    work_off(book)
    made = recorded(book, size_bytes=1_234_567)
    _delete(book)
    return made


def _delete(instance: Instance) -> None:
    instance.hostnames.all().delete()
    at = timezone.now() - timedelta(days=3)
    Instance.objects.filter(pk=instance.pk).update(state="deleted", deleted_at=at)


def test_it_is_listed_until_all_of_it_is_removed(backup: Backup, browser: Browser) -> None:
    assert LIST in browser.get("/c/acme/").content.decode()
    page = plain(browser.get(LIST).content.decode())
    assert "book Deleted 3 days ago · kept until" in page
    assert "1.2 MB" in page
    gone = browser.get("/c/acme/instances/book/")
    assert gone.status_code == 410
    assert LIST in gone.content.decode()
    Backup.objects.update(removed_at=timezone.now())
    assert "No deleted instance has backups" in browser.get(LIST).content.decode()
    for page in ("/c/acme/", "/c/acme/instances/book/"):
        assert LIST not in browser.get(page).content.decode()


def test_only_deleted_instances_are_listed(backup: Backup, order: Order, browser: Browser) -> None:
    recorded(order("there"))
    assert "there" not in browser.get(LIST).content.decode().partition("<main")[2]


def test_a_new_one_is_made_from_it_and_may_have_the_name(backup: Backup, browser: Browser) -> None:
    assert _make(backup) in browser.get(LIST).content.decode()
    page = plain(browser.get(_make(backup)).content.decode())
    assert "New instance from a backup of book" in page
    assert "stays as it is" not in page
    sent = {"name": "book", "plan": backup.instance.plan.slug, "order_key": "b7"}
    for _ in range(2):
        assert browser.post(_make(backup), sent)["Location"] == "/c/acme/instances/book/"
    made = Instance.objects.exclude(state="deleted").get(name="book")
    assert made.made_from == backup


@pytest.mark.parametrize(("name", "said"), [("", "Give it a name."), ("No!", "lower-case")])
def test_what_is_wrong_is_said_beside_what_was_typed(
    backup: Backup, browser: Browser, name: str, said: str
) -> None:
    answer = browser.post(_make(backup), {"name": name, "plan": backup.instance.plan.slug})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert said in page
    assert f'value="{name}"' in page
    assert Instance.objects.count() == 1


def test_a_viewer_sees_them_and_makes_none(
    backup: Backup, login: Login, member: Callable[[Role], User]
) -> None:
    browser = login(member(Role.VIEWER))
    page = browser.get(LIST).content.decode()
    assert "1.2 MB" in plain(page)
    assert _make(backup) not in page
    assert browser.get(_make(backup)).status_code == 403
    sent = {"name": "copy", "plan": backup.instance.plan.slug}
    assert browser.post(_make(backup), sent).status_code == 403
    assert Instance.objects.count() == 1


def test_another_client_finds_none_of_it(
    backup: Backup, login: Login, mallory: User, globex: object
) -> None:
    browser = login(mallory)
    assert browser.get(LIST).status_code == 404
    assert browser.get(_make(backup)).status_code == 404
    theirs = _make(backup).replace("/acme/", "/globex/")
    sent = {"name": "copy", "plan": backup.instance.plan.slug}
    assert browser.get(theirs).status_code == 404
    assert browser.post(theirs, sent).status_code == 404
    assert "book" not in browser.get("/c/globex/deleted-instances/").content.decode()
    assert Instance.objects.count() == 1


def test_one_that_exists_is_not_made_from_here(order: Order, browser: Browser) -> None:
    backup = recorded(order("there"))
    assert browser.get(_make(backup)).status_code == 404


def test_many_cost_no_more_queries(backup: Backup, order: Order, browser: Browser) -> None:
    browser.get(LIST)  # what is read once and kept
    few = count(browser, LIST)
    for number in range(4):
        one = order(f"n{number}")
        for _ in range(7):
            recorded(one)
        _delete(one)
    assert count(browser, LIST) == few
    assert "2 older ones not shown" in browser.get(LIST).content.decode()


def _make(backup: Backup) -> str:
    return f"/c/acme/backups/{backup.pk}/new-instance"
