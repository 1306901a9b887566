"""Who takes payments online, as the settings say."""

from __future__ import annotations

from django.conf import settings

from billing.gateway.base import Gateway
from billing.gateway.stripe_gateway import StripeGateway


def configured() -> Gateway | None:
    """Stripe, where there is a key for it."""
    if not settings.BERTH_STRIPE_KEY:
        return None
    return StripeGateway(
        key=settings.BERTH_STRIPE_KEY,
        secrets=settings.BERTH_STRIPE_WEBHOOK_SECRETS,
        api_base=settings.BERTH_STRIPE_API,
    )
