"""Ordering: once, at the right place, and never with half of it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client as Browser

from hosting.models import Instance, Operation, Plan
from tenants.models import AuditEvent, Client

WANTED = {"app": "guestbook", "plan": "small", "name": "book", "order_key": "one"}
ORDER = "/c/acme/instances/new"


def test_it_orders_and_shows_the_instance(small: Plan, acme: Client, browser: Browser) -> None:
    response = browser.post(ORDER, WANTED)
    assert response.status_code == 302
    assert response["Location"] == "/c/acme/instances/book/"
    instance = Instance.objects.get()
    assert (instance.client, instance.app, instance.plan) == (acme, "guestbook", small)
    assert instance.operations.get().requested_by_label == "Alice <alice@acme.example>"
    page = browser.get(response["Location"]).content.decode()
    assert "Setting up" in page
    assert "Waiting for a worker" in page


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "from-the-header"}])
def test_the_same_form_twice_orders_once(
    headers: dict[str, str], small: Plan, browser: Browser
) -> None:
    forms = [WANTED, {**WANTED, "order_key": "two"}] if headers else [WANTED, WANTED]
    answers = [browser.post(ORDER, form, headers=headers) for form in forms]
    assert [each["Location"] for each in answers] == ["/c/acme/instances/book/"] * 2
    assert Instance.objects.count() == 1
    assert Operation.objects.count() == 1


def test_each_form_has_a_key_of_its_own(small: Plan, browser: Browser) -> None:
    keys = {browser.get(ORDER).context["order_key"] for _ in range(3)}
    assert len(keys) == 3


def test_a_sent_form_with_other_contents_is_refused(small: Plan, browser: Browser) -> None:
    browser.post(ORDER, WANTED)
    response = browser.post(ORDER, {**WANTED, "name": "other"})
    assert response.status_code == 422
    assert "was sent before with other contents" in response.content.decode()
    assert response.context["order_key"] != "one"


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("name", "Book!", "lower-case letters, digits and hyphens"),
        ("name", "", "Give it a name."),
        ("name", "   ", "Give it a name."),
        ("app", "", "Choose an app."),
        ("plan", "", "Choose a plan."),
        ("name", "-book", "lower-case letters, digits and hyphens"),
        ("name", "b" * 41, "at most 40 characters"),
        ("name", "taken", "You already have an instance named taken"),
        ("app", "nothing", "There is no app “nothing” in the catalog."),
        ("app", "automatos", "has not been set up here"),
        ("plan", "nothing", "There is no plan “nothing” on offer."),
        ("plan", "tiny", "needs "),
        ("plan", "huge", "No server has"),
    ],
)
def test_bad_input_is_one_sentence_at_its_field_and_changes_nothing(
    field: str,
    value: str,
    sentence: str,
    small: Plan,
    order: Callable[..., Instance],
    browser: Browser,
) -> None:
    Plan.objects.create(slug="tiny", name="Tiny", cpus=Decimal("0.1"), memory_mb=64, disk_gb=1)
    Plan.objects.create(slug="huge", name="Huge", cpus=999, memory_mb=9999999, disk_gb=1)
    order("taken")
    before = (Instance.objects.count(), Operation.objects.count(), AuditEvent.objects.count())
    response = browser.post(ORDER, {**WANTED, field: value})
    assert response.status_code == 422
    assert sentence in response.context[f"{field}_error"]
    assert response.content.decode().count('class="error"') == 1
    after = (Instance.objects.count(), Operation.objects.count(), AuditEvent.objects.count())
    assert after == before


def test_what_was_typed_stays(small: Plan, browser: Browser) -> None:
    Plan.objects.create(slug="middle", name="Middle", cpus=2, memory_mb=1024, disk_gb=5)
    form = {**WANTED, "plan": "middle", "name": "Not Good"}
    page = browser.post(ORDER, form)
    assert 'value="Not Good"' in page.content.decode()
    assert (page.context["chosen_app"], page.context["chosen_plan"]) == ("guestbook", "middle")


def test_an_app_that_is_not_set_up_says_so_without_naming_settings(
    small: Plan, browser: Browser
) -> None:
    page = browser.get(ORDER).content.decode()
    assert "Not available yet: it has not been set up here." in page
    assert "AUTOMATOS_" not in page


def test_plans_follow_the_app(small: Plan, browser: Browser) -> None:
    for app, fits in (("guestbook", True), ("n8n", False)):
        response = browser.get(f"{ORDER}/plans", {"app": app, "plan": "small"})
        text = response.content.decode()
        assert text.lstrip().startswith('<fieldset id="plans"')
        assert ("Too small" in text) is not fits
        assert ("checked" in text) is fits


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("fresh", "fresh.acme.localhost"),
        ("taken", "You already have an instance named taken"),
        ("No", "lower-case letters"),
        ("", "The name is part of its address"),
    ],
)
def test_the_name_is_answered_while_it_is_typed(
    typed: str, answer: str, order: Callable[..., Instance], browser: Browser
) -> None:
    order("taken")
    response = browser.get(f"{ORDER}/name", {"name": typed})
    assert answer in response.content.decode()
    assert response.content.decode().lstrip().startswith('<div id="name-feedback"')
