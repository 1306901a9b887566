"""E-invoices that have passed every check: nothing else leaves."""

from __future__ import annotations

from billing.documents import checks, cii, peppol, rules, sums, ubl
from billing.documents.errors import Faulty
from billing.documents.invoice import Document, Kind


def factur_x(document: Document) -> bytes:
    """The CII file for Factur-X, profile EN 16931.

    Raises ``Faulty`` with a sentence for each fault: of a sum, of the schema, of a business rule.
    """
    _refuse(document, (*own_faults(document), *_currency(document)))
    xml = cii.write(document)
    _refuse(document, rules.CII.faults(xml))
    return xml


def peppol_bis(document: Document) -> bytes:
    """The UBL file for Peppol BIS Billing 3.0.

    Raises ``Faulty`` as the other does, and for rules of Peppol's.
    """
    _refuse(document, (*own_faults(document), *why_not_peppol(document)))
    xml = ubl.write(document)
    is_invoice = document.kind is Kind.INVOICE
    _refuse(document, (rules.UBL_INVOICE if is_invoice else rules.UBL_CREDIT_NOTE).faults(xml))
    return xml


def own_faults(document: Document) -> tuple[str, ...]:
    """What is wrong with a document whatever becomes of it, its PDF included."""
    return (*sums.faults(document), *checks.faults(document))


def why_not_peppol(document: Document) -> tuple[str, ...]:
    """Why Peppol can't take a document that is otherwise right, a sentence each.

    A consumer has no address there, for one: then there is no such file, and nothing is wrong.
    """
    return (*_currency(document), *peppol.faults(document))


def can_be(document: Document) -> bool:
    """Whether EN 16931 can hold it at all: its amounts have two decimals at the most (BR-DEC)."""
    return not _currency(document)


def _currency(document: Document) -> tuple[str, ...]:
    if document.exponent <= 2:
        return ()
    return (
        f"EN 16931 has two decimals at the most, and {document.currency} has {document.exponent}; "
        "there is no e-invoice of it, only a PDF.",
    )


def _refuse(document: Document, faults: tuple[str, ...]) -> None:
    if faults:
        raise Faulty(document.number, faults)
