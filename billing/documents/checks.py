"""What the law or a bank wants of a document, and no schema or published rule looks at."""

from __future__ import annotations

from collections.abc import Iterator

from billing.documents.invoice import Document, Kind, PaymentMeans


def faults(document: Document) -> tuple[str, ...]:
    """A sentence for each thing that is missing or can't be."""
    return (*_due(document), *_preceding(document), *_iban(document))


def is_iban(text: str) -> bool:
    """Whether its two check digits are right (ISO 13616)."""
    tight = text.replace(" ", "").upper()
    if not (15 <= len(tight) <= 34 and tight.isascii() and tight.isalnum()):
        return False
    return int("".join(str(int(sign, 36)) for sign in tight[4:] + tight[:4])) % 97 == 1


def _due(document: Document) -> Iterator[str]:
    """BR-CO-25, which the compiled rules have no more."""
    terms = document.payment.terms if document.payment else ""
    if document.totals.due > 0 and not (document.due_date or terms):
        yield f"{document.totals.due} is due, and neither a day nor terms say when."


def _preceding(document: Document) -> Iterator[str]:
    """Article 219 of the VAT directive: what amends an invoice refers to it."""
    if document.kind is Kind.CREDIT_NOTE and document.preceding is None:
        yield "A credit note names the invoice that it takes back, and this one names none."


def _iban(document: Document) -> Iterator[str]:
    payment = document.payment
    if payment is None or payment.means is PaymentMeans.ONLINE:
        return
    if not is_iban(payment.iban):
        yield f"The payment's IBAN is “{payment.iban}”, which is none."
