"""Usage tokens: made and shown once, listed without their value, and ended."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client as Browser
from django.utils import timezone

from hosting.models import Instance, UsageToken
from hosting.services.measuring import usage_tokens
from tenants.models import AuditEvent, User
from tenants.services.actors import Actor

PAGE = "/c/acme/instances/book/usage-tokens"
Login = Callable[[User | None], Browser]


def make(browser: Browser, name: str = "flows") -> str:
    page = browser.post(PAGE, {"name": name})
    assert page.status_code == 201
    assert "no-store" in page["Cache-Control"]
    found = re.search(r'id="made"[^>]*>(berth_usage_[\w-]{43})<', page.content.decode())
    assert found
    return found[1]


def test_a_token_is_shown_once_and_kept_as_a_hash(book: Instance, browser: Browser) -> None:
    value = make(browser)
    token = UsageToken.objects.get()
    assert (token.instance, token.name, token.hint) == (book, "flows", value[-4:])
    assert value not in str(vars(token))
    page = browser.get(PAGE).content.decode()
    assert f"…{value[-4:]}" in page
    assert value not in page
    event = AuditEvent.objects.latest("sequence")
    assert (event.action, event.actor_label) == ("usage_token.made", "Alice <alice@acme.example>")
    assert value not in str(event.after)


def test_a_revoked_token_stays_listed(book: Instance, browser: Browser) -> None:
    make(browser)
    token = UsageToken.objects.get()
    for _ in range(2):
        response = browser.post(f"{PAGE}/{token.pk}/revoke", follow=True)
        assert "flows opens nothing any more" in response.content.decode()
    token.refresh_from_db()
    assert token.revoked_at is not None
    actions = AuditEvent.objects.filter(action="usage_token.revoked")
    assert actions.count() == 1
    assert "Revoked" in browser.get(PAGE).content.decode()


def test_the_stacks_own_token_cannot_be_revoked(book: Instance, browser: Browser) -> None:
    token = UsageToken.objects.create(instance=book, name="own", digest="0" * 64, is_own=True)
    response = browser.post(f"{PAGE}/{token.pk}/revoke", follow=True)
    assert "goes with the instance" in response.content.decode()
    token.refresh_from_db()
    assert token.revoked_at is None


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "Give it a name of 1 to 60 characters."),
        ("x" * 61, "Give it a name of 1 to 60 characters."),
        ("taken", "There is a token “taken” already."),
    ],
)
def test_a_name_that_does_not_do_is_refused_at_the_field(
    name: str, sentence: str, book: Instance, browser: Browser
) -> None:
    make(browser, "taken")
    page = browser.post(PAGE, {"name": name})
    assert page.status_code == 422
    assert sentence in page.content.decode()
    assert 'aria-invalid="true"' in page.content.decode()
    assert UsageToken.objects.count() == 1


def test_there_are_only_so_many(book: Instance, browser: Browser) -> None:
    for number in range(usage_tokens.AT_MOST):
        make(browser, f"n{number}")
    page = browser.post(PAGE, {"name": "one more"})
    assert "has 20 tokens already; revoke one first" in page.content.decode()


def test_others_tokens_are_not_found(
    book: Instance,
    order: Callable[..., Instance],
    mallory: User,
    actor: Actor,
    browser: Browser,
    login: Login,
) -> None:
    usage_tokens.make(instance=book, name="flows", actor=actor, now=timezone.now())
    order("other")
    token = UsageToken.objects.get()
    through_other = f"/c/acme/instances/other/usage-tokens/{token.pk}/revoke"
    assert browser.post(through_other).status_code == 404
    strange = f"/c/globex/instances/book/usage-tokens/{token.pk}/revoke"
    assert login(mallory).post(strange).status_code == 404
    assert login(mallory).post(f"{PAGE}/{token.pk}/revoke").status_code == 404
    token.refresh_from_db()
    assert token.revoked_at is None
