"""The headings of the admin's lists: built once for a list.

Unfold builds all of them anew for each row, only to name its cells: with their links for sorting
and a box to choose all rows, that was half the time of a list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any

from unfold.templatetags import unfold_list

Headings = Callable[[Any], Iterator[Mapping[str, Any]]]
_BUILT = "berth_headings"


def once_a_list(build: Headings) -> Headings:
    """The same headings, kept with the list that they are of: a list lives as long as its page."""

    @wraps(build)
    def headings(listed: Any) -> Iterator[Mapping[str, Any]]:
        if not hasattr(listed, _BUILT):
            setattr(listed, _BUILT, list(build(listed)))
        return iter(getattr(listed, _BUILT))

    return headings


def build_once() -> None:
    """Have unfold do so; calling it again changes nothing more."""
    build = unfold_list.result_headers
    if not hasattr(build, "__wrapped__"):
        unfold_list.result_headers = once_a_list(build)
