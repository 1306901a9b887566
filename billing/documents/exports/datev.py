"""Invoices and credit notes as a booking batch for DATEV: EXTF 700, category 21, version 13.

https://developer.datev.de/datev/platform/de/dtvf/formate/header and .../buchungsstapel:
Windows-1252, semicolons, CR LF, texts in quotation marks, a comma before the cents, days as DDMM. A
batch lies within one business year, in one currency. Each VAT of a document is one booking: debtor
to revenue.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from billing.documents.errors import Faulty
from billing.documents.exports.cells import neutral
from billing.documents.exports.datev_columns import COLUMNS
from billing.documents.invoice import Document, Kind, Vat, VatCategory, VatTotal

# The characters that DATEV takes in a document's number, 36 of them at the most.
_NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9$&%*+\-/]{0,35}\Z")
_ACCOUNT = re.compile(r"[1-9][0-9]{0,8}\Z")
_TAX_KEY = re.compile(r"[0-9]{1,4}\Z")
_ENCODING = "cp1252"
_RECAPITULATED = (VatCategory.REVERSE_CHARGE, VatCategory.INTRA_COMMUNITY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """How the seller's books at DATEV call things.

    ``revenue`` has an account for each VAT; ``tax_keys`` (BU-Schlüssel) only for those whose
    account does not know its tax itself. ``debtors`` has an account for a client's number,
    ``debtor`` is that of all others.
    """

    consultant: int  # Beraternummer
    client: int  # Mandantennummer
    year_begins_on: date  # WJ-Beginn
    revenue: Mapping[Vat, str]
    debtor: str
    debtors: Mapping[str, str] = field(default_factory=dict)
    tax_keys: Mapping[Vat, str] = field(default_factory=dict)
    account_digits: int = 4  # Sachkontenlänge
    chart: str = "03"  # SKR
    currency: str = "EUR"


def write(
    documents: Iterable[Document], books: Books, *, first_day: date, last_day: date
) -> Iterator[bytes]:
    """The batch of that time, line by line.

    Raises:
        Faulty: a document that can't be booked: of another time, currency or unknown account.
        ValueError: a time that is not within one business year.
    """
    if not books.year_begins_on <= first_day <= last_day < _year_after(books.year_begins_on):
        raise ValueError("A batch of DATEV lies within one business year.")
    yield _line(_head(books, first_day, last_day))
    yield _line(COLUMNS)
    for document in documents:
        if not first_day <= document.issue_date <= last_day:
            raise Faulty(
                document.number,
                [f"It was issued on {document.issue_date}, outside {first_day} to {last_day}."],
            )
        for total in document.vat:
            if total.basis + total.amount:  # DATEV books no zero
                yield _line(_booking(document, total, books))


def _year_after(day: date) -> date:
    return date(day.year + 1, day.month, min(day.day, 28))


def _head(books: Books, first_day: date, last_day: date) -> list[str]:
    """The 31 fields of the header. Made at the end of its time: it does not depend on the clock."""
    return [
        *(_text("EXTF"), "700", "21", _text("Buchungsstapel"), "13"),
        f"{last_day:%Y%m%d}000000000",
        *("", _text("RE"), _text(""), _text("")),
        str(books.consultant),
        str(books.client),
        f"{books.year_begins_on:%Y%m%d}",
        str(books.account_digits),
        f"{first_day:%Y%m%d}",
        f"{last_day:%Y%m%d}",
        _text(f"Rechnungen {first_day:%d.%m.}-{last_day:%d.%m.%Y}"),
        _text(""),
        *("1", "0", "0"),
        _text(books.currency),
        *("", _text(""), "", ""),
        _text(books.chart),
        *("", "", _text(""), _text("")),
    ]


def _booking(document: Document, total: VatTotal, books: Books) -> list[str]:
    """One row: the gross of one VAT, from the client's account to that of the revenue."""
    gross = total.basis + total.amount
    is_debit = (gross > 0) is (document.kind is Kind.INVOICE)
    values = {
        "Umsatz (ohne Soll/Haben-Kz)": _amount(document, abs(gross), books),
        "Soll/Haben-Kennzeichen": _text("S" if is_debit else "H"),
        "WKZ Umsatz": _text(document.currency),
        "Konto": _account(document, books.debtors.get(document.buyer.number, books.debtor)),
        "Gegenkonto (ohne BU-Schlüssel)": _account(document, _revenue(document, total.vat, books)),
        "BU-Schlüssel": _text(_tax_key(document, books.tax_keys.get(total.vat, ""))),
        "Belegdatum": f"{document.issue_date:%d%m}",
        "Belegfeld 1": _text(_number(document)),
        "Buchungstext": _text(document.buyer.name, 60),
        "EU-Land u. UStID (Bestimmung)": _text(
            document.buyer.vat_number if total.vat.category in _RECAPITULATED else "", 15
        ),
        "Festschreibung": "0",
        "Fälligkeit": f"{document.due_date:%d%m%Y}" if document.due_date else "",
    }
    return [values.get(column, "") for column in COLUMNS]


def _amount(document: Document, amount: Decimal, books: Books) -> str:
    if document.currency != books.currency:
        raise Faulty(
            document.number,
            [f"It is in {document.currency}, and the batch in {books.currency}."],
        )
    if amount >= 10**10:
        raise Faulty(document.number, [f"{amount} has more digits than DATEV takes, which is ten."])
    return f"{amount:.2f}".replace(".", ",")


def _revenue(document: Document, vat: Vat, books: Books) -> str:
    account = books.revenue.get(vat)
    if account is None:
        raise Faulty(document.number, [f"The account of revenue for VAT {vat} is not known."])
    return account


def _account(document: Document, account: str) -> str:
    if not _ACCOUNT.match(account):
        raise Faulty(document.number, [f"“{account}” is no account: up to nine digits."])
    return account


def _tax_key(document: Document, key: str) -> str:
    if key and not _TAX_KEY.match(key):
        raise Faulty(document.number, [f"“{key}” is no tax key (BU-Schlüssel): up to four digits."])
    return key.zfill(4) if key else ""  # as it is published: four digits


def _number(document: Document) -> str:
    if not _NUMBER.match(document.number):
        raise Faulty(
            document.number,
            ["DATEV takes letters, digits and $ & % * + - / in its number, 36 at the most."],
        )
    return document.number


def _text(text: str, most: int = 36) -> str:
    """In quotation marks, in what Windows-1252 has: é stays, ł becomes ?."""
    tame = neutral(" ".join(text.split()))
    held = unicodedata.normalize("NFC", tame).encode(_ENCODING, "replace").decode(_ENCODING)
    doubled = held[:most].replace('"', '""')
    return f'"{doubled}"'


def _line(fields: Iterable[str]) -> bytes:
    return (";".join(fields) + "\r\n").encode(_ENCODING)
