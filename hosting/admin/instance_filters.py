"""By what the list of instances is narrowed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from hosting.models import Instance


class StateFilter(DropdownFilter):  # type: ignore[misc]  # unfold is untyped
    """By state; deleted instances only where they are asked for."""

    title = "state"
    parameter_name = "state"
    all_option = ("", "All that exist")

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        """Every state, and everything."""
        return [*Instance.State.choices, ("any", "Any, deleted ones too")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Instance]) -> QuerySet[Instance]:
        """Without the deleted ones unless they are meant."""
        wanted = self.value()
        if wanted == "any":
            return queryset
        if wanted:
            return queryset.filter(state=wanted)
        return queryset.exclude(state=Instance.State.DELETED)


class PurposeFilter(DropdownFilter):  # type: ignore[misc]  # unfold is untyped
    """Clients' own; those that only try something where they are asked for."""

    title = "purpose"
    parameter_name = "purpose"
    all_option = ("", Instance.Purpose.CLIENT.label)

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        """What else there is."""
        others = (Instance.Purpose.RESTORE_TEST, Instance.Purpose.REHEARSAL)
        return [*((each.value, str(each.label)) for each in others), ("any", "Any")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Instance]) -> QuerySet[Instance]:
        """The clients' unless others are meant."""
        wanted = self.value()
        if wanted == "any":
            return queryset
        return queryset.filter(purpose=wanted or Instance.Purpose.CLIENT)


class AppFilter(DropdownFilter):  # type: ignore[misc]  # unfold is untyped
    """By app, of those that are in use."""

    title = "app"
    parameter_name = "app"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        """Apps that instances have, whether or not the catalog still does."""
        slugs = Instance.objects.order_by("app").values_list("app", flat=True).distinct()
        return [(slug, slug) for slug in slugs]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Instance]) -> QuerySet[Instance]:
        """Instances of that app."""
        return queryset.filter(app=self.value()) if self.value() else queryset
