"""The tokens that a stack is given for itself, and keys that are forgotten."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from hosting.catalog.berth_schema import SecretSpec
from hosting.catalog.credentials import generate
from hosting.catalog.schema import App
from hosting.models import Instance, InstanceSecret, Server, UsageKey, UsageToken
from hosting.selectors import catalog
from hosting.selectors.measuring import usage_tokens
from hosting.services import secrets
from hosting.services.measuring import usage_events


@pytest.fixture
def app(db: None) -> App:
    """The guestbook, but one that reports what it used."""
    app = catalog.apps()["guestbook"]
    own = {**app.berth.secrets, "report": SecretSpec(generate="usage_token")}
    return app.model_copy(update={"berth": app.berth.model_copy(update={"secrets": own})})


@pytest.fixture
def book(order: Callable[..., Instance], memory_server: Server) -> Instance:
    return order()


def test_the_stacks_own_token_is_a_secret_and_opens_its_instance(book: Instance, app: App) -> None:
    assert secrets.generate_missing(instance=book, app=app) == ["report"]
    value = InstanceSecret.objects.get(instance=book, name="report").reveal()
    token = usage_tokens.find(value)
    assert token is not None
    assert token.instance_id == book.pk
    assert token.is_own
    assert secrets.generate_missing(instance=book, app=app) == []
    assert UsageToken.objects.count() == 1


def test_nothing_that_tries_a_backup_may_report(book: Instance, app: App) -> None:
    book.purpose = Instance.Purpose.RESTORE_TEST
    secrets.generate_missing(instance=book, app=app)
    assert not UsageToken.objects.exists()


def test_tokens_are_not_to_be_guessed() -> None:
    spec = SecretSpec(generate="usage_token")
    values = {generate(spec) for _ in range(100)}
    assert len(values) == 100
    assert {len(each) for each in values} == {len("berth_usage_") + 43}


def test_old_keys_are_forgotten_and_no_others(
    book: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_events, "FORGET_AT_ONCE", 2)
    now = timezone.now()
    for number in range(8):
        UsageKey.objects.create(
            instance=book,
            digest=f"{number:032x}",
            received_at=now - timedelta(days=400 if number < 5 else 1),
        )
    assert usage_events.forget_keys(before=now - timedelta(days=300)) == 5
    assert UsageKey.objects.count() == 3
