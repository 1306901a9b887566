"""Stripe: pages by Checkout, refunds, and the signatures of its messages."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import stripe

from billing.gateway import minor_units
from billing.gateway.base import Declined, Event, Forged, Page, Reversal, Unavailable, Wanted

logger = logging.getLogger(__name__)

TOLERANCE = 300  # seconds that a message may be old
_SECONDS = 20
_RETRIES = 2  # by stripe-python, with the same idempotency key
_KEY = "berth_refund"  # by which a refund is found again when its idempotency key is forgotten
_GONE = {"pending", "requires_action", "succeeded"}  # of refunds
# A wrong key (401, 403), the same request under way (409), too many (429): all can be mended.
_NOT_NOW = {401, 403, 409, 429}

T = TypeVar("T")


class StripeGateway:
    """With one account's key. Several secrets are taken while they are being changed."""

    def __init__(self, *, key: str, secrets: Sequence[str], api_base: str = "") -> None:
        """``api_base`` is another address than Stripe's own, for tests."""
        self._secrets = tuple(secrets)
        self._client = stripe.StripeClient(
            key,
            max_network_retries=_RETRIES,
            http_client=stripe.RequestsClient(timeout=_SECONDS),
            base_addresses={"api": api_base} if api_base else {},
        )

    def open_page(self, wanted: Wanted) -> Page:
        """A page of Checkout on Stripe's own site."""
        item: Any = {
            "quantity": 1,
            "price_data": {
                "currency": wanted.currency.lower(),
                "unit_amount": _written(wanted.amount, wanted.currency),
                "product_data": {"name": wanted.title},
            },
        }
        params: Any = {
            "mode": "payment",
            "line_items": [item],
            "client_reference_id": wanted.key,
            "payment_intent_data": {"description": wanted.title},
            "success_url": wanted.paid_url,
            "cancel_url": wanted.back_url,
            **({"customer_email": wanted.email} if wanted.email else {}),
        }
        options: Any = {"idempotency_key": wanted.key}
        return _page(_ask(lambda: self._client.v1.checkout.sessions.create(params, options)))

    def page(self, page_id: str) -> Page:
        """As it is now."""
        return _page(_ask(lambda: self._client.v1.checkout.sessions.retrieve(page_id)))

    def refund(self, *, key: str, payment: str, amount: Decimal, currency: str) -> Reversal:
        """Give a payment back, in part or whole; with the same key it is given back once."""
        params: Any = {
            "payment_intent": payment,
            "amount": _written(amount, currency),
            "metadata": {_KEY: key},
        }
        options: Any = {"idempotency_key": key}
        return _refund(_ask(lambda: self._client.v1.refunds.create(params, options)))

    def refunds(self, payment: str) -> Sequence[Reversal]:
        """All of a payment's, whoever asked for them."""
        params: Any = {"payment_intent": payment, "limit": 100}
        return [_refund(each) for each in _ask(lambda: self._client.v1.refunds.list(params)).data]

    def dispute(self, dispute_id: str) -> Reversal:
        """Whether its money is withdrawn now, by what Stripe has moved for it."""
        found = _ask(lambda: self._client.v1.disputes.retrieve(dispute_id))
        moved = sum(each.amount for each in found.balance_transactions)
        currency = found.currency.upper()
        return Reversal(
            id=found.id,
            payment=_id(found.payment_intent),
            amount=minor_units.read(found.amount, currency),
            currency=currency,
            is_gone=moved < 0,
        )

    def event(self, *, body: bytes, signature: str) -> Event:
        """What a message speaks of, if one of the secrets has signed it not long ago."""
        if not any(self._is_signed(body, signature, secret) for secret in self._secrets):
            raise Forged("The signature fits no secret, or is too old.")
        try:
            told = json.loads(body)
            about = told["data"]["object"]
            return Event(
                id=str(told["id"])[:255],
                kind=str(told["type"])[:80],
                object_id=str(about.get("id") or "")[:255],
                payment=_id(about.get("payment_intent"))[:255],
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Forged("The message is no event.") from error

    @staticmethod
    def _is_signed(body: bytes, signature: str, secret: str) -> bool:
        try:
            stripe.WebhookSignature.verify_header(body, signature, secret, TOLERANCE)
        except (stripe.SignatureVerificationError, UnicodeDecodeError):
            return False
        return True


def _ask(call: Callable[[], T]) -> T:
    """What Stripe answers, or one of our two errors; its own words go to the log."""
    try:
        return call()
    except stripe.StripeError as error:
        logger.warning("Stripe: %s (request %s)", error, error.request_id)
        status = error.http_status or 500  # none: there was no answer
        if status >= 500 or status in _NOT_NOW:
            raise Unavailable("The payment service does not answer.") from error
        raise Declined(str(error.user_message or "The payment service refused.")) from error


def _written(amount: Decimal, currency: str) -> int:
    try:
        return minor_units.written(amount, currency)
    except ValueError as error:
        raise Declined(str(error)) from error


def _page(session: Any) -> Page:
    currency = str(session.currency or "").upper()
    return Page(
        id=session.id,
        url=session.url or "",
        is_open=session.status != "expired",
        is_paid=session.payment_status == "paid",
        amount=minor_units.read(session.amount_total or 0, currency),
        currency=currency,
        payment=_id(session.payment_intent),
    )


def _refund(refund: Any) -> Reversal:
    currency = refund.currency.upper()
    return Reversal(
        id=refund.id,
        payment=_id(refund.payment_intent),
        amount=minor_units.read(refund.amount, currency),
        currency=currency,
        is_gone=refund.status in _GONE,
        key=str(getattr(getattr(refund, "metadata", None), _KEY, "")),
    )


def _id(value: Any) -> str:
    """Of what may be an id, the object itself, or nothing."""
    if isinstance(value, str):
        return value
    return str(value.get("id", "")) if isinstance(value, dict) else str(getattr(value, "id", ""))
