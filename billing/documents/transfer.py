"""How an invoice is paid by bank transfer: to whom, with which reference, and as a code to scan."""

from __future__ import annotations

import io
from dataclasses import dataclass
from decimal import Decimal

import segno
from segno import helpers
from stdnum import iso11649

from billing.documents.checks import is_iban

_LONGEST_NAME = 70  # EPC069-12, version 002
_MOST = Decimal("999999999.99")


@dataclass(frozen=True, slots=True)
class Transfer:
    """What is typed into a bank's form. ``number`` is the invoice's."""

    name: str
    iban: str
    bic: str
    amount: Decimal
    currency: str
    number: str

    @property
    def creditor_reference(self) -> str:
        """The number as a creditor reference with check digits (ISO 11649): RF37INV000001."""
        return creditor_reference(self.number)


def creditor_reference(number: str) -> str:
    """``RF``, two check digits, and the number's letters and digits; empty where it is too long."""
    body = "".join(sign for sign in number.upper() if sign.isascii() and sign.isalnum())
    if not 0 < len(body) <= 21:
        return ""
    return next(each for digits in range(100) if iso11649.is_valid(each := f"RF{digits:02d}{body}"))


def in_groups(text: str) -> str:
    """As people read it, four by four: DE02 1203 0000."""
    tight = "".join(text.split())
    return " ".join(tight[start : start + 4] for start in range(0, len(tight), 4))


def scan_code(transfer: Transfer) -> str:
    """The QR code that banks' apps read (EPC069-12), as SVG; empty where there can be none.

    It exists for euros alone, and black on white in every theme: cameras want it so.
    """
    if transfer.currency != "EUR" or not 0 < transfer.amount <= _MOST or not is_iban(transfer.iban):
        return ""
    code = helpers.make_epc_qr(
        name=transfer.name[:_LONGEST_NAME],
        iban="".join(transfer.iban.split()).upper(),
        bic="".join(transfer.bic.split()).upper() or None,
        amount=transfer.amount,
        text=transfer.number,
    )
    written = io.BytesIO()
    segno.QRCode.save(
        code,
        written,
        kind="svg",
        xmldecl=False,
        svgns=True,
        nl=False,
        light="white",
        scale=4,
        omitsize=True,
        svgclass="scan-code",
        title=f"Code to pay {transfer.number} with a bank's app",
    )
    return written.getvalue().decode()
