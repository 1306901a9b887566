"""Tables on the admin's own pages, column by column; one template draws them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString


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

    def lines(self) -> Iterator[list[tuple[Column, object]]]:
        """Each row as its columns with what stands in them."""
        for row in self.rows:
            yield [(column, column.cell(row)) for column in self.columns]


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
