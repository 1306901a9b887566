"""A client's own people change where invoices go: by role, checked, audited, for later ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client as Browser

from billing.models import BillingProfile, Invoice
from billing.services.invoicing import runs
from hosting.models import Instance, Plan
from tenants.models import AuditEvent, Client, Role, User
from tests.billing import money
from tests.billing.money import at
from tests.hosting.views.reading import count, plain, text

PAGE = "/c/acme/billing-details/"
CHANGE = f"{PAGE}change"
Login = Callable[[User | None], Browser]
TYPED = {
    "name": "Acme AG",
    "street": "Ring 3",
    "more": "",
    "postcode": "1010",
    "city": "Wien",
    "country": "at",
    "vat_number": "ATU 13585627",
    "email": "invoices@acme.example",
    "reference": "PO-77",
}


def test_they_are_changed_and_audited(acme: Client, alice: User, browser: Browser) -> None:
    money.set_details(acme, currency="CHF", interval="year")
    assert browser.post(CHANGE, TYPED)["Location"] == PAGE
    profile = BillingProfile.objects.get()
    assert (profile.name, profile.country, profile.vat_number) == ("Acme AG", "AT", "ATU13585627")
    assert (profile.email, profile.reference) == ("invoices@acme.example", "PO-77")
    assert (profile.currency, profile.interval) == ("CHF", "year")
    event = AuditEvent.objects.latest("sequence")
    assert (event.action, event.actor_id) == ("billing.details_set", str(alice.pk))
    assert (event.before["country"], event.after["country"]) == ("DE", "AT")


def test_terms_are_not_among_them(acme: Client, browser: Browser) -> None:
    money.set_details(acme)
    browser.post(CHANGE, {**TYPED, "currency": "USD", "interval": "year", "vat_state": "valid"})
    profile = BillingProfile.objects.get()
    assert (profile.currency, profile.interval, profile.vat_state) == ("EUR", "month", "pending")


def test_the_first_are_entered_by_themselves(acme: Client, browser: Browser) -> None:
    assert "There are none yet." in text(browser, PAGE)
    browser.post(CHANGE, TYPED)
    assert BillingProfile.objects.get().client == acme
    assert "There are none yet." not in text(browser, PAGE)


def test_another_number_is_asked_for_again(acme: Client, browser: Browser) -> None:
    money.set_details(acme, country="AT", vat_number="ATU13585627")
    BillingProfile.objects.update(vat_state="valid", vat_asked_at=at("2026-01-01"))
    assert "By the EU's register" in text(browser, PAGE)
    browser.post(CHANGE, TYPED)  # the same number, other words around it
    assert BillingProfile.objects.get().vat_state == "valid"
    browser.post(CHANGE, {**TYPED, "country": "DE", "vat_number": "DE136695976"})
    profile = BillingProfile.objects.get()
    assert (profile.vat_state, profile.vat_asked_at) == ("pending", None)
    assert "Not confirmed yet" in text(browser, PAGE)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("vat_number", "ATU13585628", "is not a VAT number; one of AT begins with AT."),
        ("vat_number", "DE136695976", "is not of AT: such a number begins with AT."),
        ("country", "ZZ", "“ZZ” is no country: write its two letters, such as DE."),
        ("country", "Austria", "“AUSTRIA” is no country"),
        ("email", "invoices", "Enter a valid email address."),
        ("name", "", "This field cannot be blank."),
        ("street", "x" * 121, "at most 120 characters"),
        ("city", "a\x00b", "Write it in one line, without control characters."),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_changes_nothing(
    acme: Client, browser: Browser, field: str, value: str, sentence: str
) -> None:
    money.set_details(acme)
    before = BillingProfile.objects.values().get()
    answer = browser.post(CHANGE, {**TYPED, field: value})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert sentence in plain(page)
    assert "Ring 3" in page or field == "street"  # what was typed stays
    assert BillingProfile.objects.values().get() == before


def test_what_was_issued_stays(book: Instance, acme: Client, small: Plan, browser: Browser) -> None:
    money.set_seller()
    money.set_details(acme)
    money.set_price(small)
    money.run_since(book, "2026-01-01")
    runs.bill_due(now=at("2026-02-01"))
    browser.post(CHANGE, {**TYPED, "country": "DE", "vat_number": ""})
    runs.bill_due(now=at("2026-03-02"))
    first, second = Invoice.objects.order_by("sequence")
    assert (first.buyer["name"], second.buyer["name"]) == ("Acme GmbH", "Acme AG")
    assert second.buyer["reference"] == "PO-77"


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN, Role.BILLING])
def test_these_roles_may(
    acme: Client, member: Callable[[Role], User], login: Login, role: Role
) -> None:
    browser = login(member(role))
    assert browser.post(CHANGE, TYPED).status_code == 302
    assert BillingProfile.objects.get().name == "Acme AG"


def test_viewers_and_strangers_may_not(
    acme: Client, mallory: User, member: Callable[[Role], User], login: Login
) -> None:
    viewer, stranger = login(member(Role.VIEWER)), login(mallory)
    assert viewer.get(PAGE).status_code == viewer.post(CHANGE, TYPED).status_code == 403
    assert stranger.get(PAGE).status_code == stranger.post(CHANGE, TYPED).status_code == 404
    assert not BillingProfile.objects.exists()


def test_at_an_inactive_client_one_may_look(acme: Client, browser: Browser) -> None:
    money.set_details(acme)
    Client.objects.update(is_active=False)
    assert '<button type="submit" class="button button-accent">Save' not in (
        browser.get(PAGE).content.decode()
    )
    assert browser.post(CHANGE, TYPED).status_code == 403


def test_the_page_takes_few_queries(acme: Client, browser: Browser) -> None:
    money.set_details(acme)
    browser.get(PAGE)
    assert count(browser, PAGE) <= 12
