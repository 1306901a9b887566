"""Money, days and quantities as people read them on an English invoice."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from billing.documents.invoice import Document, Line, Period
from billing.documents.numbers import decimals

# Spelled out, for what strftime says depends on the machine.
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}
_UNITS = {"MON": "month", "DAY": "day", "HUR": "hour", "ANN": "year"}
_MINUS = "\N{MINUS SIGN}"


def money(amount: Decimal, document: Document) -> str:
    """€1,234.50, CHF 1,234.50, −¥1,200; a price keeps the decimals that it needs."""
    return _money(amount, document.currency, max(document.exponent, decimals(amount)))


def exactly(amount: Decimal, document: Document) -> str:
    """With the currency's code, where which dollar it is must be plain: €1,234.50 EUR."""
    if document.currency not in _SYMBOLS:
        return money(amount, document)
    return f"{money(amount, document)} {document.currency}"


def other_money(amount: Decimal, currency: str, exponent: int) -> str:
    """In a currency that is not the document's."""
    return _money(amount, currency, exponent)


def day(value: date) -> str:
    """31 March 2026."""
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def period(value: Period) -> str:
    """1 – 31 March 2026, as short as it can be."""
    first, last = value.first_day, value.last_day
    if first == last:
        return day(first)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} – {day(last)}"
    if first.year == last.year:
        return f"{first.day} {_MONTHS[first.month - 1]} – {day(last)}"
    return f"{day(first)} – {day(last)}"


def quantity(line: Line) -> str:
    """1,234,567, or 17 days."""
    number = _number(line.quantity)
    unit = _UNITS.get(line.unit)
    if unit is None:
        return number
    return f"{number} {unit}" if line.quantity == 1 else f"{number} {unit}s"


def price(line: Line, document: Document) -> str:
    """€89.00, or €2.50 for 1,000,000; the template breaks the line at the word."""
    return money(line.price, document)


def price_is_for(line: Line) -> str:
    """The base quantity, where that is not one: per 1,000,000, per 30 days."""
    if line.base_quantity == 1:
        return ""
    unit = _UNITS.get(line.unit)
    number = _number(line.base_quantity)
    return f"per {number} {unit}s" if unit else f"per {number}"


def percent(rate: Decimal) -> str:
    """19%, 8.1%."""
    return f"{_number(rate)}%"


def iban(text: str) -> str:
    """In groups of four."""
    tight = text.replace(" ", "")
    return " ".join(tight[at : at + 4] for at in range(0, len(tight), 4))


def _money(amount: Decimal, currency: str, exponent: int) -> str:
    sign = _MINUS if amount < 0 else ""
    symbol = _SYMBOLS.get(currency, f"{currency} ")
    return f"{sign}{symbol}{abs(amount):,.{exponent}f}"


def _number(value: Decimal) -> str:
    sign = _MINUS if value < 0 else ""
    return f"{sign}{abs(value):,.{decimals(value)}f}"
