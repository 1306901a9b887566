"""Whether a finished workbook is one: ECMA-376, as far as ours could break it.

Read part by part by another reader than what wrote it: that each part is whole and named among the
types, that sheets have their rows and cells in order and their headings, and that no cell is a
formula or leads anywhere.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence

from lxml import etree

from billing.documents.errors import Unfit
from billing.documents.exports import tables
from billing.documents.exports.forms import MOST_FAULTS

SHEETS: Mapping[str, Sequence[str]] = {
    "Invoices": tables.DOCUMENTS,
    "Lines": tables.LINES,
    "VAT": tables.VAT,
}
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_PARTS = ("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml", "xl/styles.xml")
_PLACE = re.compile(r"([A-Z]+)([1-9]\d*)")
_KINDS = {"n", "s", "inlineStr"}  # numbers and texts: no formula's result, no error


def refuse_unfit(content: bytes) -> bytes:
    """The workbook as it is. Raises ``Unfit`` with what is wrong, the first of it."""
    found = [fault for fault, _ in zip(faults(content), range(MOST_FAULTS), strict=False)]
    if found:
        raise Unfit("Excel", found)
    return content


def faults(content: bytes) -> Iterator[str]:
    """A sentence for each thing that is not as it has to be."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if broken := archive.testzip():
                yield f"{broken} in it is broken."
            else:
                yield from _of_parts(archive)
    except zipfile.BadZipFile:
        yield "It is no archive."
    except (etree.XMLSyntaxError, KeyError) as error:
        yield f"A part of it is broken: {error}."


def _of_parts(archive: zipfile.ZipFile) -> Iterator[str]:
    names = set(archive.namelist())
    for name in _PARTS:
        if name not in names:
            yield f"It has no {name}."
    for name in names:
        if "externalLink" in name or "vbaProject" in name:
            yield f"It has {name}, which leads elsewhere or runs."
    workbook = etree.fromstring(archive.read("xl/workbook.xml"))
    found = tuple(sheet.get("name") or "" for sheet in workbook.iter(f"{_MAIN}sheet"))
    if found != tuple(SHEETS):
        yield f"Its sheets are {', '.join(found)}."
        return
    texts = _shared(archive) if "xl/sharedStrings.xml" in names else []
    for number, (name, head) in enumerate(SHEETS.items(), start=1):
        part = archive.read(f"xl/worksheets/sheet{number}.xml")
        yield from (f"Sheet {name}: {fault}" for fault in _of_sheet(part, head, texts))


def _shared(archive: zipfile.ZipFile) -> list[str]:
    parsed = etree.fromstring(archive.read("xl/sharedStrings.xml"))
    return [_within(each) for each in parsed.iter(f"{_MAIN}si")]


def _of_sheet(part: bytes, head: Sequence[str], texts: Sequence[str]) -> Iterator[str]:
    """Row by row, so that memory does not grow with them."""
    last_row = 0
    for _, row in etree.iterparse(io.BytesIO(part), tag=f"{_MAIN}row"):
        number = int(row.get("r") or 0)
        if number <= last_row:
            yield f"row {number} stands after row {last_row}."
        if last_row == 0 and [_text(cell, texts) for cell in row] != list(head):
            yield "its first row does not have the headings."
        last_row = number
        yield from _of_cells(row, number, len(head))
        row.clear()
    if not last_row:
        yield "it has no row."


def _of_cells(row: etree._Element, number: int, width: int) -> Iterator[str]:
    last = 0
    for cell in row:
        place = _PLACE.fullmatch(cell.get("r") or "")
        column = _column(place[1]) if place else 0
        if place is None or int(place[2]) != number or not last < column <= width:
            yield f"a cell of row {number} is at {cell.get('r')}."
        last = column
        if cell.get("t", "n") not in _KINDS or cell.find(f"{_MAIN}f") is not None:
            yield f"{cell.get('r')} is a formula."
        value = cell.findtext(f"{_MAIN}v")
        if cell.get("t", "n") == "n" and value is not None and not _is_number(value):
            yield f"{cell.get('r')} is “{value[:40]}”, which is no number."


def _text(cell: etree._Element, texts: Sequence[str]) -> str:
    if cell.get("t") == "s":
        return texts[int(cell.findtext(f"{_MAIN}v") or 0)]
    return "".join(_within(each) for each in cell.iter(f"{_MAIN}t"))


def _within(node: etree._Element) -> str:
    return "".join(str(text) for text in node.itertext())


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
