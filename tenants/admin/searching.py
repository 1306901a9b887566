"""Searching in the admin's lists, where the words stand in other tables than the list's own."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from django.db.models import ForeignObjectRel, Model, Q, QuerySet, UUIDField
from django.utils.text import smart_split, unescape_string_literal

M = TypeVar("M", bound=Model)
FEW = 200
_IDENTIFIER = re.compile(r"(?:-?[0-9a-f]){1,32}-?", re.IGNORECASE)


def search(rows: QuerySet[M], fields: Sequence[str], text: str) -> QuerySet[M]:
    """Those that have each of the words (or what stands in quotes) in one of the fields.

    As Django's own, but for what takes time in large tables: what is found in another table is
    found there once, and not for each row that refers to it; each table is asked by itself, so that
    each can use its own index; and identifiers are found by how they begin. A list asks for what it
    shows several times (how many, which, of which years): few are looked for once, by a query for
    each word.
    """
    for word in words(text):
        found = having(rows.model, fields, word)
        few = [row["pk"] for row in found[: FEW + 1]]
        rows = rows.filter(pk__in=few if len(few) <= FEW else found)
    return rows


def words(text: str) -> Iterable[str]:
    """What is looked for: words, and what stands in quotes."""
    for word in smart_split(text):
        is_quoted = len(word) > 1 and word[0] in "\"'" and word[0] == word[-1]
        yield unescape_string_literal(word) if is_quoted else word


def having(model: type[Model], fields: Sequence[str], word: str) -> QuerySet[Any, Any]:
    """The keys of the rows that have the word."""
    here, elsewhere = Q(pk__in=()), dict[str, list[str]]()
    for field in fields:
        first, _, rest = field.partition("__")
        if rest:
            elsewhere.setdefault(first, []).append(rest)
        else:
            here |= _in_field(model, first, word)
    every = [here, *(_referring(model, name, rests, word) for name, rests in elsewhere.items())]
    first_found, *others = [
        model._default_manager.filter(each).order_by().values("pk") for each in every
    ]
    return first_found.union(*others) if others else first_found


def _in_field(model: type[Model], name: str, word: str) -> Q:
    """Where it stands in a field of the table itself."""
    if not isinstance(model._meta.get_field(name), UUIDField):
        return Q(**{f"{name}__icontains": word})
    if not _IDENTIFIER.fullmatch(word):
        return Q(pk__in=())
    digits = word.replace("-", "")
    first, last = (uuid.UUID(digits.ljust(32, each)) for each in "0f")
    return Q(**{f"{name}__gte": first, f"{name}__lte": last})


def _referring(model: type[Model], name: str, fields: Sequence[str], word: str) -> Q:
    """What refers to something that has the word, or is referred to by it."""
    relation = model._meta.get_field(name)
    other = relation.related_model
    if not isinstance(other, type):
        raise TypeError(f"{model.__name__}.{name} leads to no other table.")
    found = having(other, fields, word)
    if isinstance(relation, ForeignObjectRel):
        referring = other._default_manager.filter(pk__in=found)
        return Q(pk__in=referring.order_by().values(relation.field.name))
    return Q(**{f"{name}__in": found})
