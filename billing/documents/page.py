"""The HTML page that an invoice's PDF is printed from."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jinja2
import markupsafe

from billing.documents import words
from billing.documents.invoice import Document, Kind

LAYOUT = Path(__file__).with_name("layout")
_TITLES = {Kind.INVOICE: "Invoice", Kind.CREDIT_NOTE: "Credit note"}


def html(document: Document) -> str:
    """The page; whatever the document's texts hold stays text."""
    is_invoice = document.kind is Kind.INVOICE
    return _template().render(
        it=document,
        words=words,
        country=country,
        is_invoice=is_invoice,
        title=_TITLES[document.kind],
        headline=_headline(document),
        due_word="Amount due" if is_invoice else "Amount credited",
        pay_word="How to pay" if is_invoice else "Payment",
        reasons=[each.reason for each in document.vat if each.reason],
        style=markupsafe.Markup(_style()),  # noqa: S704 - a file of ours
    )


def country(code: str) -> str:
    """Its English name; a code that Berth knows no name for stays as it is."""
    return _COUNTRIES.get(code, code)


def _headline(document: Document) -> str:
    due = words.exactly(document.totals.due, document)
    if document.kind is Kind.CREDIT_NOTE:
        return f"{due} credited"
    if document.due_date is None or document.totals.due <= 0:
        return f"{due} due"
    return f"{due} due on {words.day(document.due_date)}"


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


_COUNTRIES = {
    "AT": "Austria",
    "AU": "Australia",
    "BE": "Belgium",
    "BG": "Bulgaria",
    "BR": "Brazil",
    "CA": "Canada",
    "CH": "Switzerland",
    "CY": "Cyprus",
    "CZ": "Czechia",
    "DE": "Germany",
    "DK": "Denmark",
    "EE": "Estonia",
    "ES": "Spain",
    "FI": "Finland",
    "FR": "France",
    "GB": "United Kingdom",
    "GR": "Greece",
    "HR": "Croatia",
    "HU": "Hungary",
    "IE": "Ireland",
    "IN": "India",
    "IS": "Iceland",
    "IT": "Italy",
    "JP": "Japan",
    "LI": "Liechtenstein",
    "LT": "Lithuania",
    "LU": "Luxembourg",
    "LV": "Latvia",
    "MT": "Malta",
    "NL": "Netherlands",
    "NO": "Norway",
    "NZ": "New Zealand",
    "PL": "Poland",
    "PT": "Portugal",
    "RO": "Romania",
    "SE": "Sweden",
    "SG": "Singapore",
    "SI": "Slovenia",
    "SK": "Slovakia",
    "UA": "Ukraine",
    "US": "United States",
}
