"""Tables on the admin's own pages, column by column; one template draws them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.formats import localize
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

_CELL = '<td data-label="{}" class="{}">'


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and what stands under it for a row."""

    title: str
    cell: Callable[[Any], object]
    css: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows to be drawn; ``empty`` is the sentence where there are none."""

    columns: Sequence[Column]
    rows: Sequence[Any]
    empty: str

    def body(self) -> SafeString:
        """All rows with their cells: there are hundreds, and a template takes its time for each."""
        cells = [
            (column.cell, format_html(_CELL, column.title, column.css)) for column in self.columns
        ]
        lines = (
            "".join(f"{begin}{_drawn(cell(row))}</td>" for cell, begin in cells)
            for row in self.rows
        )
        return mark_safe("".join(f"<tr>{line}</tr>" for line in lines))  # noqa: S308 (escaped)


def _drawn(value: Any) -> str:
    """As a template would."""
    return conditional_escape(localize(value))


NUMBER = "b-right b-num"


def link(text: object, page: str, *arguments: object, allowed: bool = True) -> SafeString:
    """To a page of the admin; only the text for whoever may not open it."""
    if not allowed:
        return format_html("{}", text)
    address = reverse(f"admin:{page}", args=arguments)
    return format_html('<a class="b-link" href="{}">{}</a>', address, text)


def beside(first: object, second: object) -> SafeString:
    """Something, and after it what is less important."""
    return format_html('<span>{} <span class="b-dim">{}</span></span>', first, second)


def with_note(first: object, note: str) -> SafeString:
    """Something, and below it a sentence where there is one."""
    if not note:
        return format_html("{}", first)
    return format_html('{}<div class="b-dim b-reason">{}</div>', first, note)
