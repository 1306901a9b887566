"""Reading statements that are tables (CSV), with the bank's own headings."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from billing.bank.entries import Entry, Unreadable, with_keys

# What banks call their columns, in small letters; a layout may name others.
HEADINGS: Mapping[str, tuple[str, ...]] = {
    "booked_on": ("booking date", "date", "buchungstag", "buchungsdatum", "datum"),
    "amount": ("amount", "betrag", "betrag (eur)", "umsatz"),
    "debit": ("soll", "debit", "paid out", "money out", "belastung", "debit amount"),
    "credit": ("haben", "credit", "paid in", "money in", "gutschrift", "credit amount"),
    "currency": ("currency", "währung", "waehrung"),
    "name": (
        *("name", "counterparty", "auftraggeber / begünstigter", "zahlungsbeteiligter"),
        *("beguenstigter/zahlungspflichtiger", "name zahlungsbeteiligter"),
    ),
    "iban": ("iban", "counterparty iban", "kontonummer/iban", "iban zahlungsbeteiligter"),
    "text": ("text", "purpose", "remittance information", "verwendungszweck"),
    "reference": ("bank reference", "transaction id", "umsatz-id"),
}
# A column that says which way the money went, where amounts have no sign; and what it says.
SIGNS = {
    *("soll/haben", "soll / haben", "s/h", "sh", "soll/haben-kennzeichen"),
    *("debit/credit", "credit/debit", "dr/cr", "credit debit indicator"),
}
_IN = {"h", "haben", "c", "cr", "credit", "crdt"}
_OUT = {"s", "soll", "d", "dr", "debit", "dbit"}
_WAYS = ("debit", "credit")
_CALLED = {"booked_on": "day", "amount": "amount", "debit": "debits", "credit": "credits"}
ENCODINGS = ("utf-8", "cp1252")
DELIMITERS = (";", ",", "\t")
DATES = {"ymd": "%Y-%m-%d", "dmy": "%d.%m.%Y", "mdy": "%m/%d/%Y"}
# The sign stands before the amount or, as bookkeeping writes it, after it; never twice.
_COMMA = re.compile(r"(?![+-].*[+-]$)[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d{1,3})?[+-]?")
_POINT = re.compile(r"(?![+-].*[+-]$)[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d{1,3})?[+-]?")
_LONGEST = 20


@dataclass(frozen=True, slots=True)
class Layout:
    """How the file is written. ``columns`` names headings that differ from the known ones."""

    account: str
    currency: str  # of lines that name none
    encoding: str = "utf-8"
    delimiter: str = ";"
    has_comma: bool = True
    dates: str = "dmy"
    columns: Mapping[str, str] = field(default_factory=dict)


def read(content: bytes, layout: Layout) -> Sequence[Entry]:
    """Every row in the order of the file. ``Unreadable`` with a sentence that names the row."""
    text = _decoded(content, layout.encoding)
    try:
        rows = list(
            csv.reader(io.StringIO(text, newline=""), delimiter=layout.delimiter, strict=True)
        )
    except csv.Error as error:
        raise Unreadable(f"The file is no table: {error}.") from error
    first = next((n for n, row in enumerate(rows) if any(cell.strip() for cell in row)), None)
    if first is None:
        raise Unreadable("The file is empty.")
    places = _places(rows[first], layout)
    return with_keys(_entries(rows[first + 1 :], first + 2, places, layout))


def _decoded(content: bytes, encoding: str) -> str:
    if b"\x00" in content:
        raise Unreadable("The file is no text, or in UTF-16: save it as UTF-8.")
    try:
        as_utf8: str | None = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        as_utf8 = None
    if encoding == "utf-8":
        if as_utf8 is None:
            raise Unreadable("The file is not in UTF-8; try Windows-1252.", field="encoding")
        return as_utf8
    if as_utf8 is not None and not as_utf8.isascii():
        raise Unreadable("The file is in UTF-8, not in Windows-1252.", field="encoding")
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError as error:
        raise Unreadable("The file is not in Windows-1252.", field="encoding") from error


def _places(heading: Sequence[str], layout: Layout) -> Mapping[str, int]:
    """In which column each value stands."""
    names = [" ".join(cell.split()).casefold() for cell in heading]
    places: dict[str, int] = {}
    for what, known in HEADINGS.items():
        chosen = " ".join(layout.columns.get(what, "").split()).casefold()
        wanted = (chosen,) if chosen else known
        fitting = [n for n, name in enumerate(names) if name in wanted]
        if len(fitting) > 1:
            raise Unreadable(f"Two columns are called “{heading[fitting[0]]}”.", field=what)
        if fitting:
            places[what] = fitting[0]
        elif chosen:
            raise Unreadable(
                f"No column is called “{layout.columns[what]}”; there are {_listed(heading)}.",
                field=what,
            )
    places = {**_amount_places(places, layout), **_sign_place(names)}
    needed = ("booked_on", *(_WAYS if set(_WAYS) & places.keys() else ("amount",)))
    for what in needed:
        if what not in places:
            raise Unreadable(
                f"Say which column has the {_CALLED[what]}; there are {_listed(heading)}.",
                field=what,
            )
    return places


def _amount_places(places: Mapping[str, int], layout: Layout) -> dict[str, int]:
    """Either the column of amounts, or those of debits and credits.

    What the layout names goes before what is only known. Where both are only known it is debits
    and credits: banks that have the three leave the amount for something else.
    """
    named = {what for what in ("amount", *_WAYS) if layout.columns.get(what, "").strip()}
    if "amount" in named and len(named) > 1:
        raise Unreadable("Name a column of amounts, or two of debits and credits.", field="amount")
    has_both = all(what in places for what in _WAYS)
    by_ways = "amount" not in named and (has_both or bool(named) or "amount" not in places)
    left_out = ("amount",) if by_ways else _WAYS
    return {what: place for what, place in places.items() if what not in left_out}


def _sign_place(names: Sequence[str]) -> Mapping[str, int]:
    """Where it stands which way the money went, if there is a column for that."""
    signs = [n for n, name in enumerate(names) if name in SIGNS]
    if len(signs) > 1:
        raise Unreadable("Two columns say which way the money went.")
    return {"sign": signs[0]} if signs else {}


def _listed(heading: Sequence[str]) -> str:
    return ", ".join(f"“{cell.strip()[:40]}”" for cell in heading[:20] if cell.strip())


def _entries(
    rows: Sequence[Sequence[str]], number: int, places: Mapping[str, int], layout: Layout
) -> Iterator[Entry]:
    width = max(places.values()) + 1
    for at, row in enumerate(rows, start=number):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) < width:
            raise Unreadable(f"Row {at} has {len(row)} columns and needs {width}.")
        values = {what: " ".join(row[place].split()) for what, place in places.items()}
        yield Entry(
            account=layout.account,
            booked_on=_day(values["booked_on"], layout, at),
            amount=_amount_of(values, layout, at),
            currency=_currency(values.get("currency", ""), layout, at),
            name=values.get("name", "")[:140],
            iban="".join(values.get("iban", "").split()).upper()[:34],
            text=values.get("text", "")[:1000],
            bank_reference=values.get("reference", "")[:60],
        )


def _day(text: str, layout: Layout, row: int) -> date:
    try:
        return datetime.strptime(text, DATES[layout.dates]).date()  # noqa: DTZ007 - a day alone
    except ValueError as error:
        like = date(2026, 1, 31).strftime(DATES[layout.dates])
        said = f"Row {row}: “{text[:40]}” is no day like {like}."
        raise Unreadable(said, field="dates") from error


def _amount_of(values: Mapping[str, str], layout: Layout, row: int) -> Decimal:
    """What came in, or less than nothing for what went out.

    Of debit and credit just one is filled; a 0 beside it is as good as an empty cell.
    """
    sign = values.get("sign")
    if "amount" in values:
        return _signed(_amount(values["amount"], layout, row), sign, row)
    found = {
        what: amount
        for what in _WAYS
        if values[what] and (amount := _amount(values[what], layout, row))
    }
    if len(found) != 1:
        said = "a debit and a credit" if found else "neither a debit nor a credit"
        raise Unreadable(f"Row {row} has {said}: it needs one of them.", field="debit")
    (what, amount) = next(iter(found.items()))
    if what == "credit" and amount < 0:
        raise Unreadable(f"Row {row}: a credit below 0 can't be.", field="credit")
    amount = abs(amount) if what == "credit" else -abs(amount)
    if sign is not None and _signed(abs(amount), sign, row) != amount:
        raise Unreadable(f"Row {row} is a {what}, and “{sign[:40]}” says otherwise.", field=what)
    return amount


def _amount(text: str, layout: Layout, row: int) -> Decimal:
    """With its sign, on whichever side that stands."""
    pattern, like = (_COMMA, "1.234,50") if layout.has_comma else (_POINT, "1,234.50")
    if len(text) > _LONGEST or not pattern.fullmatch(text):
        raise Unreadable(f"Row {row}: “{text[:40]}” is no amount like {like}.", field="has_comma")
    plain = text.replace(".", "").replace(",", ".") if layout.has_comma else text.replace(",", "")
    return Decimal(plain[-1] + plain[:-1] if plain[-1] in "+-" else plain)


def _signed(amount: Decimal, sign: str | None, row: int) -> Decimal:
    """With the sign of a column of its own, where there is one; it must not have two."""
    if sign is None:
        return amount
    if sign.casefold() not in _IN | _OUT:
        raise Unreadable(f"Row {row}: “{sign[:40]}” is neither debit nor credit (S or H).")
    if amount < 0 and sign.casefold() in _IN:
        raise Unreadable(f"Row {row}: an amount below 0 that came in can't be.")
    return abs(amount) if sign.casefold() in _IN else -abs(amount)


def _currency(text: str, layout: Layout, row: int) -> str:
    currency = text.upper() or layout.currency
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
        raise Unreadable(f"Row {row}: “{text[:40]}” is no currency.", field="currency")
    return currency
