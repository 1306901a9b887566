"""Dunning in the admin: finance sets its rules and grants grace; others only see pages refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from billing.models import DunningGrace, DunningPolicy, DunningStep, Invoice
from billing.services.invoicing import runs
from hosting.models import Instance, Plan
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
    form = {"reminders": "3, 10", "suspend_after": "20", "notice_after": "", "notice_days": "30"}
    finance.post(_url("dunningpolicy", "add"), form)
    policy = DunningPolicy.objects.get()
    assert (policy.reminders, policy.suspend_after, policy.notice_after) == ([3, 10], 20, None)
    assert finance.get(_url("dunningpolicy", "add")).status_code == 403
    page = finance.get(_url("dunningpolicy", "change", 1)).content.decode()
    assert 'value="3, 10"' in page
    finance.post(_url("dunningpolicy", "change", 1), {**form, "notice_after": "45"})
    assert DunningPolicy.objects.get().notice_after == 45


def test_finance_says_what_is_worth_a_letter() -> None:
    finance = _browser("finance")
    form = {"reminders": "3, 10", "suspend_after": "20", "notice_after": "", "notice_days": "30"}
    finance.post(_url("dunningpolicy", "add"), {**form, "least": "eur 1000.50, JPY 800"})
    assert DunningPolicy.objects.get().least == {"EUR": "1000.50", "JPY": "800"}
    page = finance.get(_url("dunningpolicy", "change", 1)).content.decode()
    assert 'value="EUR 1000.50, JPY 800"' in page
    listed = finance.get(_url("dunningpolicy", "changelist")).content.decode()
    assert "EUR 1,000.50, JPY 800" in listed
    for text, words in (("10", "Write sums with their currencies"), ("EUR 0", "no sum above 0")):
        refused = finance.post(_url("dunningpolicy", "change", 1), {**form, "least": text})
        assert words in refused.content.decode()
    assert DunningPolicy.objects.get().least == {"EUR": "1000.50", "JPY": "800"}
    finance.post(_url("dunningpolicy", "change", 1), {**form, "least": ""})
    assert DunningPolicy.objects.get().least == {}


@pytest.mark.parametrize(
    ("reminders", "suspend_after", "words"),
    [("3; 10", "20", "with commas between them"), ("3", "4", "days after the first reminder")],
)
def test_rules_that_make_no_sense_are_refused_at_the_field(
    reminders: str, suspend_after: str, words: str
) -> None:
    form = {
        "reminders": reminders,
        "suspend_after": suspend_after,
        "notice_after": "",
        "notice_days": "30",
    }
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


def test_finance_sees_letters_and_has_those_sent_again_that_went_nowhere(
    book: Instance, acme: Client, small: Plan
) -> None:
    money.set_seller()
    money.set_details(acme)
    money.set_price(small)
    money.run_since(book, "2026-01-01")
    runs.bill_due(now=money.at("2026-02-01"))
    invoice = Invoice.objects.get()
    day, at = money.at("2026-02-18").date(), money.at("2026-02-18")
    lost = DunningStep.objects.create(
        invoice=invoice, kind="reminder", on=day, done_at=at, mail_problem="No such user"
    )
    sent = DunningStep.objects.create(
        invoice=invoice, kind="notice", on=day, done_at=at, mailed_at=at, mailed_to=["a@b.example"]
    )
    finance = _browser("finance")
    page = finance.get(_url("dunningstep", "changelist"), {"letter": "not"}).content.decode()
    assert "No such user" in page
    assert "Reminder 1" in page
    assert "a@b.example" not in page
    action = {"action": "send_again", "_selected_action": [str(lost.pk), str(sent.pk)]}
    page = finance.post(_url("dunningstep", "changelist"), action, follow=True).content.decode()
    assert "That letter was sent." in page
    assert "Letters that are sent within five minutes: 1." in page
    lost.refresh_from_db()
    assert (lost.send_at is not None, lost.mail_problem) == (True, "")
    assert "to a@b.example" in page
    for step in (lost, sent):
        assert finance.get(_url("dunningstep", "change", step.pk)).status_code == 200
