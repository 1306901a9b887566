"""Where a transfer for an invoice goes: the seller's account as it is now."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from billing import currencies
from billing.documents import transfer
from billing.documents.transfer import Transfer
from billing.models import Invoice, Seller


def of(invoice: Invoice, amount: Decimal) -> Transfer | None:
    """What is typed into a bank's form; None where nothing is to be paid, or nobody sells."""
    seller = Seller.objects.first()
    if seller is None or amount <= 0:
        return None
    return Transfer(
        name=seller.name,
        iban="".join(seller.iban.split()),
        bic=seller.bic,
        amount=amount,
        currency=invoice.currency,
        number=invoice.number,
    )


def told(to: Transfer) -> str:
    """As lines of a mail, one for each field of the form, so that nobody has to search."""
    return "\n".join(_lines(to))


def _lines(to: Transfer) -> Iterator[str]:
    yield "Please transfer it like this:"
    yield f"  To: {to.name}"
    yield f"  IBAN: {transfer.in_groups(to.iban)}"
    if to.bic:
        yield f"  BIC: {to.bic}"
    yield f"  Amount: {currencies.said(to.amount, to.currency)}"
    yield f"  Reference: {to.number}"
