"""Where to pay an invoice, on clients' pages."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.utils.safestring import SafeString, mark_safe

from billing import currencies
from billing.documents import transfer
from billing.models import Invoice
from billing.services.paying import transfers


@dataclass(frozen=True, slots=True)
class Details:
    """What is typed into a bank's form, in words; ``code`` is a picture to scan, or empty."""

    name: str
    iban: str
    iban_in_groups: str
    bic: str
    amount: str
    reference: str
    creditor_reference: str
    code: SafeString


def details(invoice: Invoice, open_amount: Decimal) -> Details | None:
    """Where the open amount of an invoice goes: the seller's account as it is now.

    None where nothing is open, or nobody sells.
    """
    to = transfers.of(invoice, open_amount)
    if to is None:
        return None
    return Details(
        name=to.name,
        iban=to.iban,
        iban_in_groups=transfer.in_groups(to.iban),
        bic=to.bic,
        amount=currencies.said(open_amount, invoice.currency),
        reference=to.number,
        creditor_reference=to.creditor_reference,
        # segno writes it, of our own text alone, and escapes that
        code=mark_safe(transfer.scan_code(to)),  # noqa: S308
    )
