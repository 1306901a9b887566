"""Searching in the admin's lists, where the words stand in other tables than the list's own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

from django.db.models import ForeignObjectRel, Model, Q, QuerySet
from django.utils.text import smart_split, unescape_string_literal

M = TypeVar("M", bound=Model)
_IDENTIFIER = re.compile(r"[0-9a-f-]+", re.IGNORECASE)


def search(rows: QuerySet[M], fields: Sequence[str], text: str) -> QuerySet[M]:
    """Those that have each of the words (or what stands in quotes) in one of the fields.

    As Django's own, but what is found in another table is found there once, and not for each row
    that refers to it.
    """
    for word in _words(text):
        rows = rows.filter(_having(rows.model, fields, word))
    return rows


def _words(text: str) -> Iterable[str]:
    for word in smart_split(text):
        is_quoted = len(word) > 1 and word[0] in "\"'" and word[0] == word[-1]
        yield unescape_string_literal(word) if is_quoted else word


def _having(model: type[Model], fields: Sequence[str], word: str) -> Q:
    wanted, elsewhere = Q(pk__in=()), dict[str, list[str]]()
    for field in fields:
        first, _, rest = field.partition("__")
        if rest:
            elsewhere.setdefault(first, []).append(rest)
        elif first != "id" or _IDENTIFIER.fullmatch(word):
            wanted |= Q(**{f"{first}__icontains": word})
    for name, rests in elsewhere.items():
        wanted |= _referring(model, name, rests, word)
    return wanted


def _referring(model: type[Model], name: str, fields: Sequence[str], word: str) -> Q:
    """What refers to something that has the word, or is referred to by it."""
    relation = model._meta.get_field(name)
    other = relation.related_model
    if not isinstance(other, type):
        raise TypeError(f"{model.__name__}.{name} leads to no other table.")
    found = other._default_manager.filter(_having(other, fields, word))
    if isinstance(relation, ForeignObjectRel):
        return Q(pk__in=found.values(relation.field.name))
    return Q(**{f"{name}__in": found.values("pk")})
