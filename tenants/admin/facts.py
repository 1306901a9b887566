"""What the admin's pages say of their object: computed once for a page.

Unfold asks for each fact five times, to see what it is and whether there is anything to show: an
invoice's page read its payments, reminders, files and mails five times.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from unfold import fields

Look = Callable[[Any, Any, Any], tuple[Any, Any, Any]]
_FOUND = "_berth_facts"


def once_a_page(look: Look) -> Look:
    """The same facts, kept with the object that they are of: it is read anew for each page."""

    @wraps(look)
    def fact(name: Any, obj: Any, model_admin: Any) -> tuple[Any, Any, Any]:
        found = vars(obj).setdefault(_FOUND, {})
        key = (name, type(model_admin))
        if key not in found:
            found[key] = look(name, obj, model_admin)
        return found[key]  # type: ignore[no-any-return]

    return fact


def compute_once() -> None:
    """Have unfold do so; calling it again changes nothing more."""
    if not hasattr(fields.lookup_field, "__wrapped__"):
        fields.lookup_field = once_a_page(fields.lookup_field)
