"""The HTML page that an invoice's PDF is printed from."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

import jinja2
import markupsafe

from billing.documents import transfer, words
from billing.documents.invoice import Document, Kind
from billing.documents.transfer import Transfer

LAYOUT = Path(__file__).with_name("layout")
_SQUARE = "\N{WHITE SQUARE}"
_TITLES = {Kind.INVOICE: "Invoice", Kind.CREDIT_NOTE: "Credit note"}


def html(document: Document, *, without: Collection[str] = ()) -> str:
    """The page; whatever the document's texts hold stays text.

    Signs that no font has are given as ``without``: an empty square stands for each.
    """
    is_invoice = document.kind is Kind.INVOICE
    made = _template().render(
        it=document,
        words=words,
        country=country,
        is_invoice=is_invoice,
        title=_TITLES[document.kind],
        headline=_headline(document),
        due_word="Amount due" if is_invoice else "Amount credited",
        pay_word="How to pay" if is_invoice else "Payment",
        scan_code=markupsafe.Markup(_scan_code(document)),  # noqa: S704 - segno escapes its title
        reasons=[each.reason for each in document.vat if each.reason],
        style=markupsafe.Markup(_style()),  # noqa: S704 - a file of ours
    )
    return made.translate({ord(sign): _SQUARE for sign in without})


def country(code: str) -> str:
    """Its English name; a code that is no country's stays as it is."""
    return _countries().get(code, code)


@cache
def _countries() -> Mapping[str, str]:
    """Every country of ISO 3166-1, as the Unicode CLDR calls it in English."""
    with (LAYOUT / "countries.csv").open(newline="") as file:
        return {row["code"]: row["name"] for row in csv.DictReader(file)}


def _headline(document: Document) -> str:
    due = words.exactly(document.totals.due, document)
    if document.kind is Kind.CREDIT_NOTE:
        return f"{due} credited"
    if document.due_date is None or document.totals.due <= 0:
        return f"{due} due"
    return f"{due} due on {words.day(document.due_date)}"


def _scan_code(document: Document) -> str:
    """The code that banks' apps read, of what is due; empty where nothing is to be transferred."""
    payment = document.payment
    if payment is None or document.kind is not Kind.INVOICE:
        return ""
    wanted = Transfer(
        name=payment.account_name or document.seller.name,
        iban=payment.iban,
        bic=payment.bic,
        amount=document.totals.due,
        currency=document.currency,
        number=payment.reference or document.number,
    )
    return transfer.scan_code(wanted)


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(LAYOUT),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("invoice.html")


@cache
def _style() -> str:
    return (LAYOUT / "invoice.css").read_text()
