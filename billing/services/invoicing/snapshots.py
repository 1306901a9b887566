"""What stands on an invoice for ever: seller, buyer, and the VAT decision with its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from billing.models import BillingProfile, Seller
from billing.services import vat
from billing.services.totals import Totals

_ADDRESS = ("name", "street", "more", "postcode", "city", "country", "vat_number", "email")
_SELLER = ("tax_number", "registration", "contact", "phone", "iban", "bic", "payment_days")


def seller(of: Seller) -> dict[str, Any]:
    """The seller as it is now."""
    return {name: getattr(of, name) for name in (*_ADDRESS, *_SELLER)}


def buyer(of: BillingProfile) -> dict[str, Any]:
    """The buyer as it is now."""
    own = {name: getattr(of, name) for name in (*_ADDRESS, "reference")}
    return {**own, "client": of.client.slug}


def decide(*, seller: Seller, buyer: BillingProfile, on: date) -> vat.Decision:
    """Which VAT the seller charges the buyer for what was supplied by that day."""
    return _decided(seller.country, buyer.country, buyer.vat_state, on)


@lru_cache(maxsize=1024)
def _decided(seller: str, buyer: str, number: str, on: date) -> vat.Decision:
    return vat.decide(
        seller=seller, buyer=buyer, number=vat.Number(number), on=on, rates=vat.known_rates()
    )


def tax(
    *, seller: Seller, buyer: BillingProfile, decisions: Sequence[vat.Decision], totals: Totals
) -> dict[str, Any]:
    """What was decided, on which evidence, and what it came to by category."""
    reasons = {(each.category, each.rate): each for each in decisions}
    found = []
    for total in totals.taxes:
        decision = reasons[total.category, total.rate]
        found.append(
            {
                "category": total.category,
                "rate": str(total.rate),
                "basis": str(total.basis),
                "amount": str(total.amount),
                "rule": str(decision.rule),
                "reason": decision.reason,
                "reason_code": decision.reason_code,
            }
        )
    evidence = {
        "seller_country": seller.country,
        "buyer_country": buyer.country,
        "vat_number": buyer.vat_number,
        "vat_state": buyer.vat_state,
        "asked_at": buyer.vat_asked_at.isoformat() if buyer.vat_asked_at else "",
        "answer": buyer.vat_evidence,
    }
    return {"totals": found, "evidence": evidence}
