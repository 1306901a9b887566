"""What every page keeps: the frame, the security policy, the account pages, the error pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.test import Client as Browser

from hosting.models import Instance
from hosting.templatetags.dashboard import APP_ICONS
from tenants.models import User

Login = Callable[[User | None], Browser]
ACCOUNT = (
    "login/",
    "password/reset/",
    "password/reset/done/",
    "signup/",
    "inactive/",
    "password/reset/key/done/",
    "password/reset/key/abc-def/",
    "confirm-email/",
)
OWN_ACCOUNT = ("logout/", "password/change/", "email/")
ERRORS = ("400.html", "403.html", "403_csrf.html", "404.html", "429.html", "500.html")
PAGES = (
    "/c/acme/",
    "/c/acme/instances/book/",
    "/c/acme/instances/book/backups/",
    "/c/acme/instances/book/upgrade",
    "/c/acme/instances/book/usage-tokens",
    "/c/acme/instances/new",
    "/c/acme/audit/",
)
TEMPLATES = Path(settings.BASE_DIR) / "templates"
OURS = [
    path
    for path in sorted(TEMPLATES.rglob("*.html"))
    if path.relative_to(TEMPLATES).parts[0] not in ("admin", "unfold")
]


@pytest.mark.parametrize("path", ACCOUNT)
def test_account_pages_wear_our_dress(path: str, db: None, login: Login) -> None:
    page = login(None).get(f"/account/{path}").content.decode()
    assert 'class="entrance"' in page
    assert "/signup" not in page
    assert "Menu:" not in page


@pytest.mark.parametrize("path", OWN_ACCOUNT)
def test_account_pages_of_someone_logged_in(path: str, browser: Browser) -> None:
    response = browser.get(f"/account/{path}")
    assert response.status_code == 200
    assert "Alice" in response.content.decode() or "alice@acme.example" in response.content.decode()


def test_a_wrong_password_is_said_at_the_top_and_the_address_stays(
    alice: User, login: Login
) -> None:
    form = {"login": alice.email, "password": "wrong"}
    page = login(None).post("/account/login/", form).content.decode()
    assert 'role="alert"' in page
    assert f'value="{alice.email}"' in page
    assert "wrong" not in page.replace("went wrong", "")


@pytest.mark.parametrize("name", ERRORS)
def test_error_pages_need_nothing_to_be_shown(name: str) -> None:
    page = render_to_string(name)
    assert "<h1>" in page
    assert "css/tokens.css" in page


def test_an_unknown_address_is_a_page_of_ours(browser: Browser) -> None:
    response = browser.get("/c/acme/nothing/here/")
    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()


def test_pages_obey_their_own_security_policy(
    order: Callable[..., Instance], browser: Browser
) -> None:
    order()
    for path in PAGES:
        response = browser.get(path)
        policy = response["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        page = response.content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)", page)
        assert not re.search(r"\sstyle=|<style|\son\w+=|hx-on", page)


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_templates_hold_no_style_and_no_script(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\sstyle=|<style|\sonclick=|hx-on|javascript:", text)


def test_every_icon_that_is_used_is_drawn() -> None:
    sprite = ElementTree.parse(Path(settings.BASE_DIR) / "static" / "img" / "icons.svg")
    drawn = {each.get("id") for each in sprite.iter("{http://www.w3.org/2000/svg}symbol")}
    used = {name for path in OURS for name in re.findall(r'{% icon "([\w-]+)"', path.read_text())}
    assert used
    assert used | APP_ICONS <= drawn


def test_each_page_has_its_landmarks_and_one_heading(
    order: Callable[..., Instance], browser: Browser
) -> None:
    order()
    for path in PAGES:
        page = browser.get(path).content.decode()
        assert page.count("<h1>") == 1
        for part in ('<main id="main"', "<header", "<nav", "<footer", 'href="#main"', "<html lang"):
            assert part in page
        identifiers = re.findall(r'\sid="([^"]+)"', page)
        assert len(identifiers) == len(set(identifiers))
