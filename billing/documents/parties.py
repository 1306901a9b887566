"""What both e-invoice formats say of seller and buyer."""

from __future__ import annotations

from typing import NamedTuple

from billing.documents.invoice import Document, Party, VatCategory

# The EAS list's schemes of VAT numbers, by the letters that they begin with:
# https://docs.peppol.eu/poacc/billing/3.0/codelist/eas/
_VAT_SCHEMES = {
    "AT": "9914",
    "BE": "9925",
    "BG": "9926",
    "CH": "9927",
    "CY": "9928",
    "CZ": "9929",
    "DE": "9930",
    "EE": "9931",
    "EL": "9933",
    "ES": "9920",
    "FR": "9957",
    "GB": "9932",
    "HR": "9934",
    "HU": "9910",
    "IE": "9935",
    "IT": "0211",
    "LI": "9936",
    "LT": "9937",
    "LU": "9938",
    "LV": "9939",
    "MT": "9943",
    "NL": "9944",
    "PL": "9945",
    "PT": "9946",
    "RO": "9947",
    "SI": "9949",
    "SK": "9950",
}


class Endpoint(NamedTuple):
    """Where e-invoices are sent to, and by which scheme of the EAS list."""

    address: str
    scheme: str


def mail_endpoint(party: Party) -> Endpoint | None:
    """The party's own, or else its mail address: what Factur-X takes."""
    if party.endpoint and party.endpoint_scheme:
        return Endpoint(party.endpoint, party.endpoint_scheme)
    return Endpoint(party.email, "EM") if party.email else None


def peppol_endpoint(party: Party) -> Endpoint | None:
    """The party's own, or else its VAT number: Peppol delivers to no mail address."""
    if party.endpoint and party.endpoint_scheme:
        return Endpoint(party.endpoint, party.endpoint_scheme)
    scheme = _VAT_SCHEMES.get(party.vat_number[:2])
    return Endpoint(party.vat_number, scheme) if scheme else None


def shows_vat_numbers(document: Document) -> bool:
    """BR-O-02: what is outside the scope of VAT names no VAT number."""
    return all(line.vat.category is not VatCategory.OUTSIDE_SCOPE for line in document.lines)
