"""A filter of lists of what begins and ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

M = TypeVar("M", bound=Model)


class OpenFilter(DropdownFilter):  # type: ignore[misc]  # unfold is untyped
    """Those that go on, or those that are over, by ``closed_at``."""

    title = "state"
    parameter_name = "is"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        """The two."""
        return [("open", "Open"), ("over", "Over")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[M]) -> QuerySet[M]:
        """Those in that state; all where nothing is chosen."""
        if self.value() in ("open", "over"):
            return queryset.filter(closed_at__isnull=self.value() == "open")
        return queryset
