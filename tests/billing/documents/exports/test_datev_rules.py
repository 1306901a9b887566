"""Batches that are broken in one place each: what DATEV's description forbids is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from billing.documents.errors import Unfit
from billing.documents.exports import datev, datev_rules
from billing.documents.exports.datev_columns import COLUMNS
from tests.billing.documents import samples
from tests.billing.documents.exports.test_datev import APRIL, BOOKS

ALL = (samples.document(), samples.credit_note(), samples.reverse_charge())
# DATEV's own sample of a header: https://developer.datev.de/datev/platform/de/dtvf/einstieg
PUBLISHED = (
    '"EXTF";700;21;"Buchungsstapel";13;20240130140440439;;"RE";"";"";29098;55003;20240101;4;'
    '20240101;20240831;"Buchungsstapel";"WD";1;0;0;"EUR";;"";;;"03";;;"";""'
)


def _batch() -> bytes:
    return b"".join(datev.write(ALL, BOOKS, **APRIL))


def _faults(content: bytes) -> list[str]:
    return list(datev_rules.faults(content))


def test_what_berth_writes_fits() -> None:
    assert _faults(_batch()) == []
    assert datev_rules.refuse_unfit(_batch()) == _batch()


def test_datev_s_own_header_fits() -> None:
    sample = f"{PUBLISHED}\r\n{';'.join(COLUMNS)}\r\n"
    assert _faults(sample.encode("cp1252")) == []


def test_texts_with_semicolons_and_quotation_marks_fit() -> None:
    odd = samples.document(buyer=replace(samples.ACME, name='A;B "C"; ' + '"' * 70))
    assert _faults(b"".join(datev.write([odd], BOOKS, **APRIL))) == []


def test_a_batch_over_new_year_knows_the_year_of_its_days() -> None:
    books = replace(BOOKS, year_begins_on=date(2025, 7, 1))
    days = {"first_day": date(2025, 12, 1), "last_day": date(2026, 1, 31)}
    documents = [samples.document(issue_date=day) for day in (date(2025, 12, 31), date(2026, 1, 1))]
    batch = b"".join(datev.write(documents, books, **days))
    assert _faults(batch) == []
    assert _faults(batch.replace(b";3112;", b";3011;", 1)) == [
        "Row 3: “Belegdatum” 3011 lies outside the batch."
    ]


def test_a_short_tax_key_is_written_with_four_digits() -> None:
    books = replace(BOOKS, tax_keys={samples.REVERSE: "94"})
    batch = b"".join(datev.write(ALL, books, **APRIL))
    assert batch == _batch()


def _put(before: str, after: str) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        old = before.encode("cp1252")
        assert old in content
        return content.replace(old, after.encode("cp1252"), 1)

    return change


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda content: content.decode("cp1252").encode("utf-16"), "Its last line"),
        (lambda content: content + b"\x81\r\n", "The file is not in Windows-1252."),
        (lambda content: content.removesuffix(b"\r\n"), "does not end with CR LF"),
        (lambda content: content.replace(b"\r\n", b"\n"), "does not have the 125 columns"),
        (_put("Festschreibung;", ""), "does not have the 125 columns of a booking batch"),
        (_put("Kurs;Basis-Umsatz", "Basis-Umsatz;Kurs"), "does not have the 125 columns"),
        (_put('"EXTF"', "EXTF"), "Field 1 of its header is EXTF"),
        (_put(";700;", ";510;"), "Field 2 of its header is 510"),
        (_put('"Buchungsstapel";13', '"Buchungsstapel";12'), "Field 5 of its header is 12"),
        (_put("29098", "100"), "Field 11 of its header is 100"),
        (_put("55003", "155003"), "Field 12 of its header is 155003"),
        (_put("20260101;4;", "20260101;3;"), "Field 14 of its header is 3"),
        (_put("20260101;4;", "20270101;4;"), "do not lie within one business year"),
        (_put("20260401;20260430", "20260430;20260401"), "do not lie within one business year"),
        (_put("20260401;20260430", "20260431;20260430"), "A day of its header is none."),
        (_put(';1;0;0;"EUR"', ';1;0;2;"EUR"'), "Field 21 of its header is 2"),
        (_put(';1;0;0;"EUR"', ';1;0;"EUR"'), "Its header has 30 fields, not 31."),
        (_put("141,26", "141.26"), "Row 3: “Umsatz (ohne Soll/Haben-Kz)” is 141.26"),
        (_put("141,26", "-141,26"), "is -141,26, which does not fit"),
        (_put("141,26", "0,00"), "is 0,00, which does not fit"),
        (_put('"S"', '"X"'), 'Row 3: “Soll/Haben-Kennzeichen” is "X"'),
        (_put("11042;", "1104299;"), "Row 3: “Konto” has more than 5 digits."),
        (_put(";8400;", ";84000000;"), "“Gegenkonto (ohne BU-Schlüssel)” has more than 5 digits"),
        (_put('"0094"', '"94"'), 'Row 5: “BU-Schlüssel” is "94"'),
        (_put(";0104;", ";0105;"), "Row 3: “Belegdatum” 0105 lies outside the batch."),
        (_put(";0104;", ";3104;"), "Row 3: “Belegdatum” 3104 lies outside the batch."),
        (_put('"R-2026-0042"', '"R 2026"'), 'Row 3: “Belegfeld 1” is "R 2026"'),
        (_put("15042026", "31042026"), "“Fälligkeit” 31042026 is no day."),
        (_put("Acme Logistics", "Acme " * 20), "Row 3: “Buchungstext” is"),
        (_put("Acme Logistics", "Acme\tLogistics"), "Row 3: “Buchungstext” is"),
        (_put('"Acme Logistics GmbH"', "Acme Logistics GmbH"), "Row 3: “Buchungstext” is"),
        (_put('141,26;"S";"EUR"', '141,26;"S";"USD"'), "Row 3: its currency is not the batch's."),
        (lambda content: content + b"1;2\r\n", "it has 2 fields, not 125."),
        (lambda _: b"", "does not have the 125 columns"),
    ],
)
def test_what_datev_would_not_take_is_found(change: Callable[[bytes], bytes], fault: str) -> None:
    found = _faults(change(_batch()))

    assert any(fault in each for each in found), found


def test_it_is_refused_with_what_is_wrong() -> None:
    broken = _batch().replace(b"141,26", b"141.26")
    with pytest.raises(Unfit, match=r"^The file does not fit the format of DATEV: Row 3: “Umsatz"):
        datev_rules.refuse_unfit(broken)
