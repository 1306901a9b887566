"""The list of what was spent on language models: searched by model, instance and client."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import ModelCost
from billing.selectors import costs
from hosting.models import Instance
from tenants.models import User

pytestmark = pytest.mark.django_db
PAGE = "/admin/billing/modelcost/"
FIRST = date(2026, 3, 1)
Order = Callable[..., Instance]


@pytest.fixture
def root() -> Browser:
    user = User.objects.create_superuser("root@berth.example", "correct horse battery", name="Bob")
    browser = Browser()
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return browser


@pytest.fixture
def spent(book: Instance, order: Order) -> None:
    """By ``book`` with two models, and by ``notes`` with one of them and another."""
    notes = order("notes")
    for instance, model in (
        *((book, "gpt-4o"), (book, "gpt-4o-mini")),
        *((notes, "gpt-4o"), (notes, "Claude 100%")),
    ):
        _spend(instance, model)


def _spend(instance: Instance, model: str, *, days: int = 1) -> None:
    ModelCost.objects.bulk_create(
        ModelCost(
            instance=instance,
            model=model,
            on=FIRST + timedelta(days=number),
            requests=1,
            input=1,
            output=1,
            cached=0,
            usage_at=timezone.now(),
        )
        for number in range(days)
    )


def _found(browser: Browser, text: str) -> set[tuple[str, str]]:
    answer = browser.get(PAGE, {"q": text})
    assert answer.status_code == 200
    rows = answer.context["cl"].result_list
    return {(each.instance.name, each.model) for each in rows}


BOOK = {("book", "gpt-4o"), ("book", "gpt-4o-mini")}
NOTES = {("notes", "gpt-4o"), ("notes", "Claude 100%")}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("book", BOOK),
        ("GPT", BOOK | {("notes", "gpt-4o")}),
        ("mini", {("book", "gpt-4o-mini")}),
        ("acme", BOOK | NOTES),
        ("acme gpt notes", {("notes", "gpt-4o")}),
        ('"claude 100%"', {("notes", "Claude 100%")}),
        ("gpt_4o", set()),
        ("nobody", set()),
        ("  ", BOOK | NOTES),
    ],
)
def test_it_is_searched_by_model_instance_and_client(
    spent: None, root: Browser, text: str, found: set[tuple[str, str]]
) -> None:
    assert _found(root, text) == found


def test_models_and_names_are_looked_up_once_and_no_row_is_read_for_its_words(
    spent: None, root: Browser
) -> None:
    with CaptureQueriesContext(connection) as queries:
        _found(root, "book")
    words = [each["sql"] for each in queries if "LIKE" in each["sql"]]
    assert len(words) == 1
    assert "billing_modelcost" not in words[0]


def test_every_model_that_was_ever_used_is_known_once(spent: None) -> None:
    assert set(costs.models()) == {"gpt-4o", "gpt-4o-mini", "Claude 100%"}
    assert len(costs.models()) == 3


def test_no_model_is_known_before_one_was_used(db: None) -> None:
    assert costs.models() == []


def test_the_last_page_is_read_from_its_end(book: Instance, root: Browser) -> None:
    _spend(book, "gpt-4o", days=60)
    with CaptureQueriesContext(connection) as queries:
        answer = root.get(PAGE, {"p": 3})
    days = [each.on for each in answer.context["cl"].result_list]
    assert days == [FIRST + timedelta(days=number) for number in reversed(range(10))]
    assert not [each["sql"] for each in queries if re.search(r"OFFSET [1-9]", each["sql"])]
