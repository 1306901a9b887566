"""The rules of Peppol BIS Billing 3.0 beyond EN 16931 that a document of Berth's could break.

https://docs.peppol.eu/poacc/billing/3.0/rules/ubl-peppol/. Its schematron is in no package, so
these are ours: PEPPOL-EN16931-R003, R010, R020, R110, R111, R120, CL008, and between German parties
DE-R-001 to 009. National rules of other sellers' countries are left to their access point.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from billing.documents import parties, sums
from billing.documents.invoice import Document, Line, Party, Period

# Release 2025-Q2 of the code list.
_SCHEMES = (
    "0002 0007 0009 0037 0060 0088 0096 0097 0106 0130 0135 0142 0147 0151 0154 0158 0170 0177 "
    "0183 0184 0188 0190 0191 0192 0193 0194 0195 0196 0198 0199 0200 0201 0202 0203 0204 0205 "
    "0208 0209 0210 0211 0212 0213 0215 0216 0217 0218 0221 0225 0230 0235 0240 9910 9913 9914 "
    "9915 9918 9919 9920 9922 9923 9924 9925 9926 9927 9928 9929 9930 9931 9932 9933 9934 9935 "
    "9936 9937 9938 9939 9940 9941 9942 9943 9944 9945 9946 9947 9948 9949 9950 9951 9952 9953 "
    "9957 9959"
)
_SLACK = Fraction(2, 100)
SCHEMES = frozenset(_SCHEMES.split())


def faults(document: Document) -> tuple[str, ...]:
    """A sentence for each rule that is broken."""
    return (
        *_reference(document),
        *_endpoint("seller", document.seller),
        *_endpoint("buyer", document.buyer),
        *(fault for line in document.lines for fault in _line_period(line, document.period)),
        *(fault for line in document.lines for fault in _line_net(line)),
        *_german(document),
    )


def _reference(document: Document) -> Iterator[str]:
    if not (document.buyer_reference or document.order_reference):
        yield "Peppol wants the buyer's reference or the number of its order."


def _endpoint(who: str, party: Party) -> Iterator[str]:
    endpoint = parties.peppol_endpoint(party)
    if endpoint is None:
        yield f"Peppol wants an electronic address of the {who}, or a VAT number that can be one."
    elif endpoint.scheme not in SCHEMES:
        yield f"Peppol knows no scheme {endpoint.scheme} for the electronic address of the {who}."


def _line_period(line: Line, whole: Period | None) -> Iterator[str]:
    if line.period is None or whole is None:
        return
    if not whole.first_day <= line.period.first_day <= line.period.last_day <= whole.last_day:
        yield (
            f"Line {line.number} is for {line.period.first_day} to {line.period.last_day}, "
            f"which is not within {whole.first_day} to {whole.last_day}."
        )


def _line_net(line: Line) -> Iterator[str]:
    """R120 knows no currency without decimals: a yen's rounding is too much for it."""
    exact = Fraction(line.quantity) * Fraction(line.price) / Fraction(line.base_quantity)
    taken = sums.balance(line.allowances)
    if abs(exact + Fraction(taken) - Fraction(line.net)) > _SLACK:
        yield (
            f"Peppol takes rounding by 0.02, and line {line.number} makes {float(exact):.2f}, "
            f"rounded to {line.net}."
        )


def _german(document: Document) -> Iterator[str]:
    """Of a German seller to a German buyer."""
    seller, buyer = document.seller, document.buyer
    if not seller.address.country == buyer.address.country == "DE":
        return
    wanted = {
        "the payment": document.payment,
        "the seller's contact": seller.contact,
        "the seller's phone": seller.phone,
        "the seller's mail address": seller.email,
        "the seller's city": seller.address.city,
        "the seller's postcode": seller.address.postcode,
        "the buyer's city": buyer.address.city,
        "the buyer's postcode": buyer.address.postcode,
    }
    for what, given in wanted.items():
        if not given:
            yield f"Between German parties, Peppol wants {what}."
