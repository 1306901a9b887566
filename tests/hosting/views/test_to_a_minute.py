"""The time line, and choosing a moment on it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client as Browser
from django.utils import timezone

from hosting.models import Incident, Instance, Plan, Restore
from hosting.services.saving import backups
from hosting.services.watching import incidents
from hosting.views.to_a_minute import parse
from tenants.errors import Refused
from tenants.models import Role, User
from tenants.services.actors import Actor
from tests.hosting.journaled import base, journal

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], object]
Login = Callable[[User | None], Browser]
BERLIN = ZoneInfo("Europe/Berlin")
ALL = "/c/acme/instances/book/backups/"
PAGE = "/c/acme/instances/book/restore-to"


@pytest.fixture
def browser(alice: User, login: Login) -> Browser:
    return login(alice)


@pytest.fixture
def book(order: Order, work_off: WorkOff) -> Instance:
    """An instance that can be restored to any moment of the last two days."""
    Plan.objects.update(point_in_time_days=7)
    instance = order()
    work_off(instance)
    Instance.objects.update(first_running_at=timezone.now() - timedelta(days=10))
    instance.refresh_from_db()
    now = timezone.now()
    base(journal(instance, now - timedelta(seconds=12)), now - timedelta(days=2))
    return instance


def test_the_time_line_says_from_when_to_when(book: Instance, browser: Browser) -> None:
    page = browser.get(ALL).content.decode()
    assert "To any minute" in page
    [(left, width)] = re.findall(r'time-line-there" x="(\d+)" width="(\d+)"', page)
    assert (int(left), int(width)) == (0, 1000)
    began = timezone.now().astimezone(BERLIN) - timedelta(days=2)
    assert f"{began.day} {began:%b %Y, %H:%M}" in page
    assert "in the time zone Europe/Berlin" in page
    assert 'type="datetime-local"' in page
    assert "to any minute" in browser.get("/c/acme/instances/book/").content.decode()


def test_a_plan_without_it_shows_nothing_of_it(book: Instance, browser: Browser) -> None:
    Plan.objects.update(point_in_time_days=0)
    assert "To any minute" not in browser.get(ALL).content.decode()
    page = browser.get(PAGE).content.decode()
    assert "The plan of book does not offer this." in page


def test_times_between_which_nothing_can_be_restored_are_told(
    book: Instance, browser: Browser
) -> None:
    now = timezone.now()
    ended = now - timedelta(days=4)
    base(journal(book, ended, service="old", ended_at=ended), now - timedelta(days=6))
    page = browser.get(ALL).content.decode()
    assert page.count('class="time-line-there"') == 2
    assert page.count("<li>From ") == 2


def test_what_is_behind_is_told(book: Instance, browser: Browser) -> None:
    kind = Incident.Kind.JOURNAL_BEHIND
    incidents.open_for(kind=kind, instance=book, summary="the bucket of the hoster is away")
    page = browser.get(ALL).content.decode()
    assert "It is behind:" in page
    assert "bucket" not in page


def test_one_that_has_to_be_restarted_says_so_and_offers_it(
    book: Instance, browser: Browser, member: Callable[[Role], User], login: Login
) -> None:
    book.journals.update(is_unkept=True, archived_until=None)
    incidents.open_for(kind=Incident.Kind.JOURNAL_BEHIND, instance=book, summary="not yet")
    for path in (ALL, PAGE):
        page = browser.get(path).content.decode()
        assert "It begins once book is restarted:" in page
        assert "It is behind:" not in page
        assert 'action="/c/acme/instances/book/restart"' in page
    front = browser.get("/c/acme/instances/book/").content.decode()
    assert "begins once book is restarted" in front
    page = login(member(Role.VIEWER)).get(ALL).content.decode()
    assert "An owner or an admin can restart it." in page
    assert "book/restart" not in page
    assert browser.post("/c/acme/instances/book/restart").status_code == 302
    assert "It begins once book" not in browser.get(ALL).content.decode()  # it is on the way


def test_other_data_shows_the_gap_until_its_base_is_made(book: Instance, browser: Browser) -> None:
    now = timezone.now()
    changed = now - timedelta(hours=1)
    book.journals.update(archived_until=changed, ended_at=changed)
    later = journal(book, now, generation=2, began_at=changed)
    page = " ".join(browser.get(ALL).content.decode().split())
    assert "can be restored: it goes on from the next backup" in page
    assert page.count('class="time-line-there"') == 1
    base(later, now - timedelta(minutes=50))
    page = " ".join(browser.get(ALL).content.decode().split())
    assert "it goes on from the next backup" not in page
    assert page.count('class="time-line-there"') == 2


def test_a_moment_is_chosen_read_and_asked_for(book: Instance, browser: Browser) -> None:
    at = (timezone.now() - timedelta(hours=5)).astimezone(BERLIN).replace(second=0, microsecond=0)
    page = browser.get(PAGE, {"at": f"{at:%Y-%m-%dT%H:%M}"}).content.decode()
    assert "What will happen" in page
    assert f"{at.day} {at:%b %Y, %H:%M}:00" in page
    assert "come from the newest backup before that" in page
    [exactly] = re.findall(r'name="at" value="([^"]+\+00:00)"', page)
    assert browser.post(PAGE, {"at": exactly}).status_code == 302
    made = Restore.objects.get()
    assert made.target_at == at
    assert made.operation.state == "queued"


def test_the_last_moment_is_one_click(book: Instance, browser: Browser) -> None:
    page = browser.get(PAGE, {"latest": "1"}).content.decode()
    [exactly] = re.findall(r'name="at" value="([^"]+\+00:00)"', page)
    [kept] = book.journals.all()
    assert datetime.fromisoformat(exactly) == kept.archived_until


@pytest.mark.parametrize(
    ("at", "sentence"),
    [
        ("2020-01-01T10:00", "book can be restored to any moment from"),
        ("2999-01-01T10:00", "book can be restored to any moment from"),
        ("yesterday", "Choose a day and a time, such as 2026-03-01 14:30."),
        ("0001-01-01T00:00", "Choose a day and a time"),
        ("2026-03-29T02:30", "There was no 02:30 on that day"),
    ],
)
def test_any_other_moment_is_refused_in_one_sentence(
    book: Instance, browser: Browser, at: str, sentence: str
) -> None:
    for answer in (browser.get(PAGE, {"at": at}), browser.post(PAGE, {"at": at})):
        assert answer.status_code == 422
        page = answer.content.decode()
        assert page.count('role="alert"') == 1
        assert sentence in page
        assert "What will happen" not in page
    assert not Restore.objects.exists()


def test_a_busy_instance_is_left_alone(book: Instance, browser: Browser, alice: User) -> None:
    backups.request(instance=book, actor=Actor.of(alice))
    page = browser.get(PAGE, {"latest": "1"})
    assert "It can't be restored now." in page.content.decode()
    [kept] = book.journals.all()
    assert kept.archived_until is not None
    refused = browser.post(PAGE, {"at": kept.archived_until.isoformat()})
    assert refused.status_code == 409
    assert "book is busy" in refused.content.decode()
    assert not Restore.objects.exists()


@pytest.mark.parametrize("role", [Role.BILLING, Role.VIEWER])
def test_lookers_see_the_line_and_change_nothing(
    role: Role, book: Instance, member: Callable[[Role], User], login: Login
) -> None:
    browser = login(member(role))
    page = browser.get(ALL).content.decode()
    assert "To any minute" in page
    assert "datetime-local" not in page
    assert browser.get(PAGE).status_code == 403
    assert browser.post(PAGE, {"at": timezone.now().isoformat()}).status_code == 403


def test_someone_elses_is_not_there(book: Instance, mallory: User, login: Login) -> None:
    browser = login(mallory)
    for client in ("acme", "globex"):
        path = f"/c/{client}/instances/book/restore-to"
        assert browser.get(path).status_code == 404
        assert browser.post(path, {"at": "2026-01-01T10:00"}).status_code == 404


def test_a_moment_without_a_zone_is_in_the_clients() -> None:
    assert parse("2026-07-01T14:30", zone="Europe/Berlin") == datetime(
        2026, 7, 1, 12, 30, tzinfo=UTC
    )
    assert parse("2026-07-01 14:30:15+00:00", zone="Europe/Berlin") == datetime(
        2026, 7, 1, 14, 30, 15, tzinfo=UTC
    )
    with pytest.raises(Refused):
        parse("", zone="UTC")
