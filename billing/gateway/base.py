"""What Berth wants of whoever takes payments online."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol


class Unavailable(Exception):
    """It does not answer, or not now; the same may be asked again."""


class Declined(Exception):
    """It says no, and will say so again; a sentence."""


class Forged(Exception):
    """A message that it has not sent, or that is too old."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A page on which one invoice is paid. With the same ``key`` there is one page only."""

    key: str
    title: str
    amount: Decimal
    currency: str
    email: str
    paid_url: str
    back_url: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it is now. ``payment`` is what refunds are made of, once something was paid."""

    id: str
    url: str
    is_open: bool
    is_paid: bool
    amount: Decimal
    currency: str
    payment: str


@dataclass(frozen=True, slots=True)
class Reversal:
    """Money of a payment that went back: refunded, or withdrawn for a dispute."""

    id: str
    payment: str
    amount: Decimal
    currency: str
    is_gone: bool  # the money has left; False where that failed, or is given back
    key: str = ""  # under which it was asked for here


@dataclass(frozen=True, slots=True)
class Event:
    """That something happened: what to look at, and no more is believed of it."""

    id: str
    kind: str
    object_id: str
    payment: str


class Gateway(Protocol):
    """All of these raise ``Unavailable`` or ``Declined``; ``event`` raises ``Forged``."""

    def open_page(self, wanted: Wanted) -> Page: ...

    def page(self, page_id: str) -> Page: ...

    def refund(self, *, key: str, payment: str, amount: Decimal, currency: str) -> Reversal: ...

    def refunds(self, payment: str) -> Sequence[Reversal]: ...

    def dispute(self, dispute_id: str) -> Reversal: ...

    def event(self, *, body: bytes, signature: str) -> Event: ...
