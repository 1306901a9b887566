"""Whose messages about payments are believed: those that Stripe signed."""

from __future__ import annotations

import time

import pytest

from billing.gateway.base import Event, Forged
from billing.gateway.stripe_gateway import StripeGateway
from tests.billing.gateway.stripe_server import event, signed

SECRETS = ("whsec_new", "whsec_old")


@pytest.fixture
def gateway() -> StripeGateway:
    return StripeGateway(key="sk_test_1", secrets=SECRETS, api_base="http://127.0.0.1:9")


BODY = event("checkout.session.completed", {"id": "cs_1", "payment_intent": "pi_1"})


@pytest.mark.parametrize("secret", SECRETS)
def test_a_message_is_believed_that_one_of_the_secrets_signed(
    gateway: StripeGateway, secret: str
) -> None:
    found = gateway.event(body=BODY.encode(), signature=signed(BODY, secret))
    assert found == Event("evt_1", "checkout.session.completed", "cs_1", "pi_1")


@pytest.mark.parametrize(
    ("body", "signature"),
    [
        (BODY, ""),
        (BODY, "t=1,v1=00"),
        (BODY, signed(BODY, "whsec_other")),
        (BODY + " ", signed(BODY, SECRETS[0])),
        (BODY, signed(BODY, SECRETS[0], int(time.time()) - 1000)),
        ("[]", signed("[]", SECRETS[0])),
        ("{", signed("{", SECRETS[0])),
        ('{"id": "evt_1"}', signed('{"id": "evt_1"}', SECRETS[0])),
    ],
    # Named, since the moment in a signature would give every worker other names of these.
    ids=[
        "unsigned",
        "made up",
        "another's secret",
        "another body",
        "too old",
        "a list",
        "no json",
        "no type",
    ],
)
def test_no_other_is(gateway: StripeGateway, body: str, signature: str) -> None:
    with pytest.raises(Forged):
        gateway.event(body=body.encode(), signature=signature)
    with pytest.raises(Forged):
        gateway.event(body=b"\xff", signature=signature)


def test_without_secrets_none_is() -> None:
    bare = StripeGateway(key="sk_test_1", secrets=(), api_base="http://127.0.0.1:9")
    with pytest.raises(Forged):
        bare.event(body=BODY.encode(), signature=signed(BODY, ""))
