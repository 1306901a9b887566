"""Invoices as CSV and as a workbook: the same rows, and the same bytes for the same selection."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from dataclasses import replace
from decimal import Decimal

import pytest
from lxml import etree

from billing.documents.exports import csv_file, lines, tables, xlsx
from billing.documents.invoice import Document
from tests.billing.documents import samples

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
ALL = list(samples.GOLDEN.values())
ATTACK = samples.document(
    [samples.line(1, "=HYPERLINK(1)", "1", "9.00")],
    buyer=replace(samples.ACME, name="@SUM(1)"),
)


def _rows(file: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.decode("utf-8-sig"), newline="")))


def test_csv_has_a_row_for_each_document() -> None:
    rows = _rows(b"".join(csv_file.of_documents(ALL)))

    assert [row["Number"] for row in rows] == [each.number for each in ALL]
    assert rows[0] == {
        "Number": "R-2026-0042",
        "Kind": "invoice",
        "Issued on": "2026-04-01",
        "Due on": "2026-04-15",
        "Delivered on": "2026-03-31",
        "Period from": "2026-03-01",
        "Period to": "2026-03-31",
        "Client number": "C-1042",
        "Client": "Acme Logistics GmbH",
        "Country": "DE",
        "VAT number": "DE987654321",
        "Currency": "EUR",
        "Net": "118.71",
        "VAT": "22.55",
        "Total": "141.26",
        "Prepaid": "0.00",
        "Due": "141.26",
        "Takes back": "",
    }


def test_a_credit_note_is_negative_so_that_sums_hold() -> None:
    invoice, credit_note = samples.document(), samples.credit_note()
    rows = _rows(b"".join(csv_file.of_documents([invoice, credit_note])))

    assert (rows[1]["Total"], rows[1]["Prepaid"]) == ("-10.35", "0.00")
    total = sum(Decimal(row["Total"]) for row in rows)
    assert total == invoice.totals.gross - credit_note.totals.gross


def test_csv_of_lines_has_a_row_for_each() -> None:
    rows = _rows(b"".join(csv_file.of_lines([samples.document()])))

    assert [row["Net"] for row in rows] == ["89.00", "16.43", "10.50", "2.78"]
    assert (rows[3]["Quantity"], rows[3]["Price"], rows[3]["Price is for"]) == (
        "1234567",
        "2.50",
        "1000000",
    )


def test_numbers_have_no_decimals_that_say_nothing() -> None:
    """A database's columns have more of them."""
    vat = replace(samples.STANDARD, rate=Decimal("19.00"))
    line = samples.line(1, "n8n", "17.000000", "29.0000", base_quantity=Decimal("30.0"), vat=vat)
    line = replace(line, net=Decimal("16.430"))
    (row,) = _rows(b"".join(csv_file.of_lines([samples.document([line])])))
    (flat,) = lines.flat(samples.document([line]))

    assert (row["Quantity"], row["Price"], row["Price is for"]) == ("17", "29.00", "30")
    assert (row["Net"], row["VAT rate"]) == ("16.43", "19")
    assert (str(flat.quantity), str(flat.amount)) == ("1", "16.43")


def test_csv_is_known_as_utf_8_and_ends_its_lines_as_rfc_4180_wants() -> None:
    file = b"".join(csv_file.of_documents([]))

    assert file.startswith(b"\xef\xbb\xbfNumber,Kind,")
    assert file.endswith(b"Takes back\r\n")


def test_nobody_s_name_is_a_formula() -> None:
    (row,) = _rows(b"".join(csv_file.of_documents([ATTACK])))
    (line,) = _rows(b"".join(csv_file.of_lines([ATTACK])))

    assert (row["Client"], line["Name"]) == ("'@SUM(1)", "'=HYPERLINK(1)")
    workbook = _sheets(xlsx.of_documents([ATTACK]))
    assert workbook["sheet1"][1][8] == "'@SUM(1)"
    assert workbook["sheet2"][1][2] == "'=HYPERLINK(1)"


def _sheets(file: bytes) -> dict[str, list[list[str]]]:
    """The texts and numbers of each sheet, as the file has them; it may hold no formula at all."""
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        sheets = {
            name: etree.fromstring(archive.read(f"xl/worksheets/{name}.xml"))
            for name in ("sheet1", "sheet2", "sheet3")
        }
    assert not any(list(sheet.iter(f"{_MAIN}f")) for sheet in sheets.values())
    return {
        name: [
            ["".join(map(str, cell.itertext())) for cell in row.iter(f"{_MAIN}c")]
            for row in sheet.iter(f"{_MAIN}row")
        ]
        for name, sheet in sheets.items()
    }


def test_a_workbook_has_documents_lines_and_vat() -> None:
    sheets = _sheets(xlsx.of_documents(ALL))

    assert sheets["sheet1"][0] == list(tables.DOCUMENTS)
    assert [row[0] for row in sheets["sheet1"][1:]] == [each.number for each in ALL]
    assert len(sheets["sheet2"]) == 1 + sum(len(each.lines) for each in ALL)
    assert len(sheets["sheet3"]) == 1 + sum(len(each.vat) for each in ALL)
    assert sheets["sheet1"][1][2] == "46113"  # 2026-04-01, counted from 1899-12-30
    assert sheets["sheet1"][1][14] == "141.26"


def test_the_same_selection_makes_the_same_bytes() -> None:
    made = xlsx.of_documents(ALL)

    assert xlsx.of_documents(ALL) == made
    assert b"".join(csv_file.of_documents(ALL)) == b"".join(csv_file.of_documents(ALL))
    with zipfile.ZipFile(io.BytesIO(made)) as archive:  # two of the same second would prove little
        assert {each.date_time for each in archive.infolist()} == {(1980, 1, 31, 0, 0, 0)}
        about = archive.read("docProps/core.xml")
    assert set(re.findall(rb"\d{4}-\d\d-\d\dT[\d:]+Z", about)) == {b"2000-01-01T00:00:00Z"}


def test_more_rows_than_a_sheet_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "ROWS", 5)
    many: list[Document] = [samples.document()] * 2

    with pytest.raises(xlsx.TooManyRows, match="A sheet of Excel holds 5 rows, and there are more"):
        xlsx.of_documents(many)
