"""Paying online, as clients and Stripe see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.test import Client as Browser
from pytest_django.fixtures import Settings

from billing.models import Invoice, OnlineEvent, OnlinePage
from billing.services.invoicing import runs
from hosting.models import Instance, Plan
from tenants.models import Client, Role, User
from tests.billing import money
from tests.billing.gateway.stripe_server import Stripe, event, serve, signed
from tests.billing.money import at

PAGE = "/c/acme/invoices/INV-000001/"
PAY = f"{PAGE}pay".replace("//", "/")
HOOK = "/payments/stripe"
BODY = event("checkout.session.completed", {"id": "cs_test_1"})
Login = Callable[[User | None], Browser]


@pytest.fixture
def stripe(settings: Settings) -> Iterator[Stripe]:
    with serve() as server:
        settings.BERTH_STRIPE_KEY = "sk_test_1"
        settings.BERTH_STRIPE_WEBHOOK_SECRETS = ["whsec_1"]
        settings.BERTH_STRIPE_API = server.url
        yield server


@pytest.fixture
def invoice(book: Instance, acme: Client, small: Plan) -> Invoice:
    money.set_seller()
    money.set_details(acme)
    money.set_price(small)
    money.run_since(book, "2026-01-01")
    runs.bill_due(now=at("2026-02-01"))
    return Invoice.objects.get()


def test_the_button_is_there_where_stripe_is(
    invoice: Invoice, browser: Browser, stripe: Stripe, settings: Settings
) -> None:
    assert PAY in browser.get(PAGE).content.decode()
    settings.BERTH_STRIPE_KEY = ""
    assert PAY not in browser.get(PAGE).content.decode()
    assert browser.post(PAY).status_code == 404
    assert browser.post(HOOK, BODY, content_type="application/json").status_code == 404


def test_it_leads_to_stripes_page_and_loads_nothing_of_theirs(
    invoice: Invoice, browser: Browser, stripe: Stripe
) -> None:
    followed = browser.post(PAY, headers={"HX-Request": "true"})
    address = "https://checkout.stripe.com/c/pay/cs_test_1"
    assert followed["HX-Redirect"] == address
    plain = browser.post(PAY)
    assert f'href="{address}"' in plain.content.decode()
    assert "stripe" not in plain["Content-Security-Policy"]
    assert "booked in a minute" in browser.get(f"{PAGE}?paid=1").content.decode()


def test_while_stripe_is_away_the_page_says_so(
    invoice: Invoice, browser: Browser, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stripe._http_client.HTTPClient.INITIAL_DELAY", 0.0)
    stripe.is_away = 503
    answer = browser.post(PAY, follow=True)
    assert "Paying online does not work at the moment." in answer.content.decode()


def test_nobody_else_pays(
    invoice: Invoice,
    stripe: Stripe,
    globex: Client,
    mallory: User,
    member: Callable[[Role], User],
    login: Login,
) -> None:
    assert login(mallory).post(PAY).status_code == 404
    assert login(mallory).post(PAY.replace("acme", "globex")).status_code == 404
    assert login(member(Role.VIEWER)).post(PAY).status_code == 403
    bookkeeper = login(member(Role.BILLING))
    assert bookkeeper.post(PAY).status_code == 200
    assert bookkeeper.get(PAY).status_code == 405
    assert OnlinePage.objects.count() == 1


def test_a_signed_message_is_kept_once(db: None, stripe: Stripe) -> None:
    stranger = Browser(enforce_csrf_checks=True)
    for _ in range(2):
        answer = stranger.post(
            HOOK,
            BODY,
            content_type="application/json",
            headers={"Stripe-Signature": signed(BODY, "whsec_1")},
        )
        assert answer.status_code == 200
    assert OnlineEvent.objects.get().object_id == "cs_test_1"


def test_any_other_is_refused(db: None, stripe: Stripe) -> None:
    for header in ("", signed(BODY, "whsec_2"), signed(BODY, "whsec_1", 1)):
        answer = Browser().post(
            HOOK, BODY, content_type="application/json", headers={"Stripe-Signature": header}
        )
        assert answer.status_code == 400
    assert Browser().get(HOOK).status_code == 405
    assert not OnlineEvent.objects.exists()
