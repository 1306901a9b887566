"""Tables on the admin's own pages."""

from __future__ import annotations

from django.template.loader import render_to_string
from django.utils.html import format_html

from hosting.admin.building.tables import NUMBER, Column, Table

COLUMNS = (
    Column("Name", lambda each: each[0]),
    Column("How <many>", lambda each: each[1], NUMBER),
)


def _drawn(*rows: tuple[object, object]) -> str:
    table = Table(COLUMNS, rows, empty="There is <none>.")
    return render_to_string("admin/hosting/table.html", {"table": table})


def test_each_row_has_its_cells_and_each_cell_names_its_column() -> None:
    drawn = _drawn(("a", 1), ("b", None))
    assert drawn.count("<tr>") == 3  # with the headings
    assert '<td data-label="Name" class="">a</td>' in drawn
    assert '<td data-label="How &lt;many&gt;" class="b-right b-num">1</td>' in drawn


def test_what_somebody_typed_is_escaped_and_what_is_drawn_is_not() -> None:
    drawn = _drawn(("<script>", format_html("<b>{}</b>", "&")))
    assert "&lt;script&gt;" in drawn
    assert "<b>&amp;</b>" in drawn


def test_an_empty_one_says_so() -> None:
    assert "There is &lt;none&gt;." in _drawn()
