"""Who gets to which page: every role, every address, both ways."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client as Browser

from hosting.models import Instance
from tenants.models import AuditEvent, Client, Role, User

Login = Callable[[User | None], Browser]
ALL = set(Role)
RULERS = {Role.OWNER, Role.ADMIN}
PAGES = {
    "/c/acme/": ALL,
    "/c/acme/instances/book/": ALL,
    "/c/acme/instances/book/backups/": ALL,
    "/c/acme/instances/book/upgrade": RULERS,
    "/c/acme/instances/book/usage-tokens": RULERS,
    "/c/acme/instances/new": RULERS,
    "/c/acme/instances/new/plans": RULERS,
    "/c/acme/instances/new/name": RULERS,
    "/c/acme/audit/": RULERS,
    "/c/acme/notifications/": RULERS,
}
VERBS = ("start", "stop", "restart", "retry", "backup", "new-versions", "usage-tokens", "delete")


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("path", list(PAGES))
def test_each_role_sees_exactly_its_pages(
    path: str,
    role: Role,
    order: Callable[..., Instance],
    member: Callable[[Role], User],
    login: Login,
) -> None:
    order()
    response = login(member(role)).get(path)
    assert response.status_code == (200 if role in PAGES[path] else 403)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("role", sorted(ALL - RULERS))
def test_lookers_change_nothing(
    verb: str,
    role: Role,
    order: Callable[..., Instance],
    work_off: Callable[[Instance], object],
    member: Callable[[Role], User],
    login: Login,
) -> None:
    instance = order()
    work_off(instance)
    response = login(member(role)).post(f"/c/acme/instances/book/{verb}", {"confirmation": "book"})
    assert response.status_code == 403
    assert f"As {role.label.lower()} of Acme you may not" in response.content.decode()
    assert instance.operations.count() == 1


def test_lookers_are_offered_no_change(
    order: Callable[..., Instance],
    work_off: Callable[[Instance], object],
    member: Callable[[Role], User],
    login: Login,
) -> None:
    work_off(order())
    browser = login(member(Role.VIEWER))
    page = browser.get("/c/acme/instances/book/").content.decode()
    assert "Open Guestbook" in page
    assert "/instances/book/stop" not in page
    assert "/instances/book/delete" not in page
    listing = browser.get("/c/acme/").content.decode()
    assert "Order an instance" not in listing
    assert "Audit log" not in listing


@pytest.mark.parametrize("path", [*PAGES, "/c/nobody/"])
def test_strangers_find_nothing(
    path: str, order: Callable[..., Instance], mallory: User, login: Login
) -> None:
    order()
    assert login(mallory).get(path).status_code == 404


def test_someone_elses_objects_are_not_reached_through_ones_own_client(
    order: Callable[..., Instance], mallory: User, login: Login
) -> None:
    operation = order().operations.get()
    browser = login(mallory)
    assert browser.get("/c/globex/instances/book/").status_code == 404
    assert browser.post("/c/globex/instances/book/stop").status_code == 404
    assert browser.get(f"/c/globex/operations/{operation.pk}/").status_code == 404
    assert browser.post(f"/c/globex/operations/{operation.pk}/cancel").status_code == 404
    operation.refresh_from_db()
    assert operation.cancel_requested_at is None


def test_staff_are_strangers_to_a_client(acme: Client, login: Login) -> None:
    staff = User.objects.create_superuser("staff@berth.example", name="Bob")
    assert login(staff).get("/c/acme/").status_code == 404


@pytest.mark.parametrize("path", ["/", *PAGES])
def test_it_asks_to_log_in_and_comes_back(path: str, acme: Client, login: Login) -> None:
    response = login(None).get(path)
    assert response.status_code == 302
    assert response["Location"] == f"/account/login/?next={path}"


def test_a_part_of_a_page_asks_for_the_whole_log_in_page(acme: Client, login: Login) -> None:
    response = login(None).get("/c/acme/", headers={"HX-Request": "true"})
    assert response["HX-Refresh"] == "true"


def test_an_inactive_client_looks_but_changes_nothing(
    order: Callable[..., Instance],
    work_off: Callable[[Instance], object],
    acme: Client,
    browser: Browser,
) -> None:
    instance = order()
    work_off(instance)
    acme.is_active = False
    acme.save()
    page = browser.get("/c/acme/instances/book/")
    assert page.status_code == 200
    assert "Acme is inactive" in page.content.decode()
    assert "/instances/book/stop" not in page.content.decode()
    assert browser.get("/c/acme/audit/").status_code == 200
    for path in ("new", "book/stop", "book/delete"):
        response = browser.post(f"/c/acme/instances/{path}", {"confirmation": "book"})
        assert response.status_code == 403
        assert "is inactive, so you can look but not" in response.content.decode()
    assert instance.operations.count() == 1


def test_a_refused_part_becomes_a_message_and_leaves_the_page(
    order: Callable[..., Instance], member: Callable[[Role], User], login: Login
) -> None:
    order()
    response = login(member(Role.VIEWER)).post(
        "/c/acme/instances/book/stop", headers={"HX-Request": "true"}
    )
    assert response.status_code == 403
    assert response["HX-Reswap"] == "none"
    assert 'hx-swap-oob="beforeend"' in response.content.decode()
    assert "you may not start, stop or restart instances" in response.content.decode()


@pytest.mark.parametrize("verb", VERBS)
def test_changes_need_a_post_with_a_token(
    verb: str, alice: User, order: Callable[..., Instance]
) -> None:
    order()
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    path = f"/c/acme/instances/book/{verb}"
    assert browser.get(path).status_code == (200 if path in PAGES else 405)
    response = browser.post(path, {"confirmation": "book"})
    assert response.status_code == 403
    assert "This page was open for too long" in response.content.decode()
    assert not AuditEvent.objects.filter(action__startswith=f"instance.{verb}").exists()


def test_a_visit_begins_where_the_last_one_was(
    acme: Client, globex: Client, alice: User, browser: Browser
) -> None:
    assert browser.get("/")["Location"] == "/c/acme/"
    globex.members.create(user=alice, role=Role.VIEWER)
    fresh = Browser()
    fresh.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    choice = fresh.get("/")
    assert choice.status_code == 200
    assert "Choose a client" in choice.content.decode()
    fresh.get("/c/globex/")
    assert fresh.get("/")["Location"] == "/c/globex/"
    assert "Choose a client" in fresh.get("/?choose").content.decode()


def test_someone_without_a_client_is_told_what_to_do(db: None, login: Login) -> None:
    page = login(User.objects.create_user("carol@acme.example")).get("/").content.decode()
    assert "You are not a member of any client" in page
    assert "carol@acme.example" in page
