"""Workbooks that are broken in one place each."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import pytest

from billing.documents.errors import Unfit
from billing.documents.exports import xlsx, xlsx_rules
from tests.billing.documents import samples

MADE = xlsx.of_documents(samples.GOLDEN.values())
SHEET = "xl/worksheets/sheet1.xml"


def _changed(name: str, before: str, after: str) -> bytes:
    """The workbook with one part changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(MADE)) as old, zipfile.ZipFile(out, "w") as new:
        for each in old.namelist():
            content = old.read(each)
            if each == name:
                assert before.encode() in content
                content = content.replace(before.encode(), after.encode(), 1)
            new.writestr(each, content)
    return out.getvalue()


def _with(name: str) -> bytes:
    out = io.BytesIO(MADE)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr(name, "x")
    return out.getvalue()


def test_what_berth_writes_fits() -> None:
    assert list(xlsx_rules.faults(MADE)) == []
    assert xlsx_rules.refuse_unfit(MADE) == MADE
    assert list(xlsx_rules.faults(xlsx.of_documents([]))) == []


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: b"", "It is no archive."),
        (lambda: MADE[: len(MADE) // 2], "It is no archive."),
        (lambda: _with("xl/vbaProject.bin"), "which leads elsewhere or runs"),
        (lambda: _with("xl/externalLinks/externalLink1.xml"), "which leads elsewhere or runs"),
        (lambda: _changed("xl/workbook.xml", 'name="Lines"', 'name="Rows"'), "Its sheets are"),
        (lambda: _changed("xl/workbook.xml", "<sheets>", "<sheets"), "A part of it is broken"),
        (lambda: _changed(SHEET, "Number", "No"), "does not have the headings"),
        (lambda: _changed(SHEET, '<row r="3"', '<row r="2"'), "row 2 stands after row 2"),
        (lambda: _changed(SHEET, 'r="B2"', 'r="A2"'), "a cell of row 2 is at A2"),
        (lambda: _changed(SHEET, 'r="B2"', 'r="ZZ2"'), "a cell of row 2 is at ZZ2"),
        (lambda: _changed(SHEET, "<v>118.71</v>", "<f>1+1</f><v>2</v>"), "is a formula"),
        (lambda: _changed(SHEET, "<v>118.71</v>", "<v>118,71</v>"), "which is no number"),
    ],
    ids=[
        *("empty", "half", "macro", "link", "sheet", "no xml", "heading", "row", "cell twice"),
        *("far cell", "formula", "no number"),
    ],
)
def test_each_fault_is_found(make: Callable[[], bytes], fault: str) -> None:
    found = list(xlsx_rules.faults(make()))

    assert any(fault in each for each in found), found


def test_it_is_refused_with_what_is_wrong() -> None:
    with pytest.raises(Unfit, match=r"does not fit the format of Excel: It is no archive\."):
        xlsx_rules.refuse_unfit(b"PK")
