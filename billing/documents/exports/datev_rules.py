"""Whether a finished booking batch is as DATEV publishes it.

https://developer.datev.de/datev/platform/de/dtvf/einstieg, .../formate/header and
.../formate/buchungsstapel: the expressions of those fields that Berth fills are theirs; all other
fields have to be empty. What no expression says (a day within the batch, an account no longer than
the books' accounts) is taken from the column "Beschreibung" there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from billing.documents.errors import Unfit
from billing.documents.exports.datev_columns import COLUMNS
from billing.documents.exports.forms import MOST_FAULTS

HEADER_FIELDS = 31
_FIELD = re.compile(r'(?:"(?:[^"]|"")*"|[^;"]*)(?:;|\Z)')
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_HEADER = (
    *(r'"EXTF"', "700", "21", '"Buchungsstapel"', "13"),
    *(r"20\d{6}\d{9}", "", r'"[A-Z]{2}"', r'".{0,25}"', r'""'),
    r"[1-9]\d{3,6}",  # Beraternummer: 1001 to 9999999
    r"[1-9]\d{0,4}",  # Mandantennummer
    *(r"20\d{6}", "[4-8]", r"20\d{6}", r"20\d{6}"),
    *(r'".{0,30}"', r'"([A-Z]{2})?"', "[12]", "0", "[01]", '"[A-Z]{3}"'),
    *("", '""', "", "", r'"(\d{2})?"', "", "", '""', '".{0,16}"'),
)
_BOOKING: Mapping[str, str] = {
    "Umsatz (ohne Soll/Haben-Kz)": r"(?!0+,00)\d{1,10},\d{2}",
    "Soll/Haben-Kennzeichen": r'"[SH]"',
    "WKZ Umsatz": r'"[A-Z]{3}"',
    "Konto": r"[1-9]\d{0,8}",
    "Gegenkonto (ohne BU-Schlüssel)": r"[1-9]\d{0,8}",
    "BU-Schlüssel": r'"(\d{4})?"',
    "Belegdatum": r"\d{4}",
    "Belegfeld 1": r'"[A-Za-z0-9$%&*+\-/]{0,36}"',
    "Buchungstext": r'"(?:[^"]|""){0,60}"',
    "EU-Land u. UStID (Bestimmung)": r'".{0,15}"',
    "Festschreibung": "[01]",
    "Fälligkeit": r"(\d{8})?",
}


def refuse_unfit(content: bytes) -> bytes:
    """The batch as it is. Raises ``Unfit`` with what is wrong, the first of it."""
    found = [fault for fault, _ in zip(faults(content), range(MOST_FAULTS), strict=False)]
    if found:
        raise Unfit("DATEV", found)
    return content


def faults(content: bytes) -> Iterator[str]:
    """A sentence for each thing that is not as published."""
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        yield "The file is not in Windows-1252."
        return
    if not text.endswith("\r\n"):
        yield "Its last line does not end with CR LF."
    lines = text.removesuffix("\r\n").split("\r\n")
    if len(lines) < 2 or tuple(lines[1].split(";")) != COLUMNS:
        yield f"Its second line does not have the {len(COLUMNS)} columns of a booking batch."
        return
    header = _fields(lines[0])
    broken = list(_of_header(header))
    yield from broken
    if broken:
        return
    for number, line in enumerate(lines[2:], start=3):
        yield from (f"Row {number}: {fault}" for fault in _of_booking(_fields(line), header))


def _fields(line: str) -> list[str]:
    """As they stand there, with their quotation marks; a semicolon between them separates none."""
    found = [hit.group() for hit in _FIELD.finditer(f"{line};")]
    return [each.removesuffix(";") for each in found if each]


def _of_header(fields: Sequence[str]) -> Iterator[str]:
    if len(fields) != HEADER_FIELDS:
        yield f"Its header has {len(fields)} fields, not {HEADER_FIELDS}."
        return
    for number, (value, wanted) in enumerate(zip(fields, _HEADER, strict=True), start=1):
        if not re.fullmatch(wanted, value):
            yield f"Field {number} of its header is {value or 'empty'}, which does not fit."
    begins, first, last = (_day(fields[place]) for place in (12, 14, 15))
    if begins is None or first is None or last is None:
        yield "A day of its header is none."
    elif not begins <= first <= last < date(begins.year + 1, begins.month, begins.day):
        yield "Its days do not lie within one business year."


def _of_booking(fields: Sequence[str], header: Sequence[str]) -> Iterator[str]:
    if len(fields) != len(COLUMNS):
        yield f"it has {len(fields)} fields, not {len(COLUMNS)}."
        return
    booking = dict(zip(COLUMNS, fields, strict=True))
    for column, value in booking.items():
        if not re.fullmatch(_BOOKING.get(column, ""), value) or _CONTROL.search(value):
            yield f"“{column}” is {value[:60] or 'empty'}, which does not fit."
    yield from _in_its_batch(booking, header)


def _in_its_batch(booking: Mapping[str, str], header: Sequence[str]) -> Iterator[str]:
    longest = int(header[13]) + 1  # an account of a client has one digit more
    for column in ("Konto", "Gegenkonto (ohne BU-Schlüssel)"):
        if len(booking[column]) > longest:
            yield f"“{column}” has more than {longest} digits."
    if booking["WKZ Umsatz"] != header[21]:
        yield "its currency is not the batch's."
    if not _lies_within(booking["Belegdatum"], header[14], header[15]):
        yield f"“Belegdatum” {booking['Belegdatum']} lies outside the batch."
    due = booking["Fälligkeit"]
    if due and _day(f"{due[4:]}{due[2:4]}{due[:2]}") is None:
        yield f"“Fälligkeit” {due} is no day."


def _lies_within(day: str, first: str, last: str) -> bool:
    """A day without its year (DDMM): it is that of the batch, which may go over New Year."""
    years = range(int(first[:4]), int(last[:4]) + 1)
    return any(first <= f"{year}{day[2:]}{day[:2]}" <= last for year in years) and any(
        _day(f"{year}{day[2:]}{day[:2]}") for year in years
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
