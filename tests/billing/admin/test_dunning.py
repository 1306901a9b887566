"""Dunning in the admin: finance sets its rules and grants grace; others only see pages refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from billing.models import DunningGrace, DunningPolicy
from tenants.models import Client, User
from tests.billing import money

pytestmark = pytest.mark.django_db


def _browser(group: str) -> Browser:
    user = User.objects.create_user(
        f"{group}@berth.example", "correct horse battery", name=group, is_staff=True
    )
    user.groups.add(Group.objects.get(name=group))
    browser = Browser()
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return browser


def _url(model: str, page: str, *args: object) -> str:
    return reverse(f"admin:billing_{model}_{page}", args=args)


def test_finance_sets_the_rules_once_and_changes_them() -> None:
    finance = _browser("finance")
    form = {"reminders": "3, 10", "suspend_after": "20", "notice_after": ""}
    finance.post(_url("dunningpolicy", "add"), form)
    policy = DunningPolicy.objects.get()
    assert (policy.reminders, policy.suspend_after, policy.notice_after) == ([3, 10], 20, None)
    assert finance.get(_url("dunningpolicy", "add")).status_code == 403
    page = finance.get(_url("dunningpolicy", "change", 1)).content.decode()
    assert 'value="3, 10"' in page
    finance.post(_url("dunningpolicy", "change", 1), {**form, "notice_after": "45"})
    assert DunningPolicy.objects.get().notice_after == 45


@pytest.mark.parametrize(
    ("reminders", "suspend_after", "words"),
    [("3; 10", "20", "with commas between them"), ("3", "4", "days after the first reminder")],
)
def test_rules_that_make_no_sense_are_refused_at_the_field(
    reminders: str, suspend_after: str, words: str
) -> None:
    form = {"reminders": reminders, "suspend_after": suspend_after, "notice_after": ""}
    page = _browser("finance").post(_url("dunningpolicy", "add"), form)
    assert words in page.content.decode()
    assert not DunningPolicy.objects.exists()


def test_finance_grants_grace(acme: Client) -> None:
    money.set_details(acme)
    finance = _browser("finance")
    day = timezone.now().date() + timedelta(days=7)
    form = {"client": str(acme.pk), "until": day.isoformat(), "reason": "They called."}
    finance.post(_url("dunninggrace", "add"), form)
    assert (DunningGrace.objects.get().until, DunningGrace.objects.get().client) == (day, acme)
    passed = {**form, "until": "2026-01-01"}
    page = finance.post(_url("dunninggrace", "change", acme.pk), passed).content.decode()
    assert "Choose today or a later day." in page
    assert DunningGrace.objects.get().until == day


@pytest.mark.parametrize("group", ["support", "operations"])
def test_nobody_else_sees_it(group: str) -> None:
    browser = _browser(group)
    for model in ("dunningpolicy", "dunninggrace", "dunningstep", "dunningsuspension"):
        assert browser.get(_url(model, "changelist")).status_code == 403


def test_the_lists_open(acme: Client) -> None:
    finance = _browser("finance")
    for model in ("dunningpolicy", "dunninggrace", "dunningstep", "dunningsuspension"):
        assert finance.get(_url(model, "changelist")).status_code == 200
