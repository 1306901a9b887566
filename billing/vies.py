"""Asking the EU's register (VIES) whether a VAT number is valid; without Django and models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import httpx

URL = "https://ec.europa.eu/taxation_customs/vies/rest-api/check-vat-number"
_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the register says of a number, as evidence: when, and under which reference."""

    is_valid: bool
    name: str
    address: str
    asked_at: str
    reference: str


class Unreachable(Exception):
    """The register, or the one of that country, does not answer at the moment."""


class Register(Protocol):
    """Whoever can be asked."""

    def ask(self, number: str) -> Answer:
        """What is known of a number with its country's letters. Raises ``Unreachable``."""


class Vies:
    """The register itself."""

    def __init__(self, client: httpx.Client | None = None) -> None:
        """With a client of its own, or the one that is given."""
        self._client = client or httpx.Client(timeout=_SECONDS)

    def ask(self, number: str) -> Answer:
        """One request. Whatever is not a clear answer is ``Unreachable``."""
        body = {"countryCode": number[:2], "vatNumber": number[2:]}
        try:
            response = self._client.post(URL, json=body)
            response.raise_for_status()
            told = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Unreachable(f"The register of VAT numbers does not answer: {error}") from error
        if not isinstance(told, dict) or not isinstance(told.get("valid"), bool):
            raise Unreachable("The register of VAT numbers gives no clear answer.")
        if told.get("userError") not in (None, "VALID", "INVALID"):
            raise Unreachable(f"The register of VAT numbers says {told['userError']}.")
        return Answer(
            is_valid=told["valid"],
            name=str(told.get("name") or ""),
            address=str(told.get("address") or ""),
            asked_at=str(told.get("requestDate") or ""),
            reference=str(told.get("requestIdentifier") or ""),
        )
