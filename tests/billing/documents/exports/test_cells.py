"""Texts that a spreadsheet must not run."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.documents.exports import cells
from hosting.charts import table


@pytest.mark.parametrize("first", list("=+-@\t\r\n＝＋－＠"))
def test_what_would_be_a_formula_becomes_a_text(first: str) -> None:
    assert cells.neutral(f"{first}cmd|' /C calc'!A0") == f"'{first}cmd|' /C calc'!A0"


@pytest.mark.parametrize("before", [" ", "   ", "\N{NO-BREAK SPACE}", " \t ", "\v", "\N{EM SPACE}"])
def test_spaces_before_it_hide_no_formula(before: str) -> None:
    assert cells.neutral(f"{before}=1+1").startswith("'")
    assert cells.neutral(f"{before}Acme").endswith("Acme")
    assert "'" not in cells.neutral("  Acme")


@given(st.text("=+-@\t\r\n\x00\x85 a1"))
def test_no_text_begins_as_a_formula_does(text: str) -> None:
    assert not cells.neutral(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert not cells.neutral(text).lstrip().startswith(("=", "+", "-", "@"))
    assert cells.neutral(cells.neutral(text)) == cells.neutral(text)


def test_a_control_character_hides_no_formula() -> None:
    assert cells.neutral("\x00=1+1") == "'=1+1"


def test_other_texts_stay_as_they_are() -> None:
    assert (
        cells.neutral("Acme\N{NO-BREAK SPACE}& Söhne, 株式会社")
        == "Acme\N{NO-BREAK SPACE}& Söhne, 株式会社"
    )


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (None, ""),
        ("=1", "'=1"),
        (date(2026, 3, 1), "2026-03-01"),
        (Decimal("-8.70"), "-8.70"),  # a number is no formula
        (Decimal("0.0042"), "0.0042"),
        (Decimal("1E+6"), "1000000"),
        (7, "7"),
    ],
)
def test_each_kind_of_cell_has_its_form(cell: cells.Cell, expected: str) -> None:
    assert cells.written(cell) == expected


@given(st.text("=+-@\t\r\n\x00\x85＝ a1"))
def test_charts_have_the_same_rule_for_their_files(text: str) -> None:
    assert table.harmless(text) == cells.neutral(text)
