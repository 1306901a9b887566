"""By what the list of backups is narrowed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from hosting.models import Backup, Instance


class ProvenFilter(DropdownFilter):  # type: ignore[misc]  # unfold is untyped
    """Those that count, or those that do not."""

    title = "proof"
    parameter_name = "proof"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        """The two."""
        return [("proven", "Proven"), ("unproven", "Not proven")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Backup]) -> QuerySet[Backup]:
        """Those of that worth; all where nothing is chosen."""
        if self.value() in ("proven", "unproven"):
            return queryset.filter(verified_at__isnull=self.value() == "unproven")
        return queryset


class ThereFilter(DropdownFilter):  # type: ignore[misc]  # unfold is untyped
    """Those whose data is still in the store, or was removed from it."""

    title = "data"
    parameter_name = "data"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        """The two."""
        return [("there", "There"), ("removed", "Removed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Backup]) -> QuerySet[Backup]:
        """Those; all where nothing is chosen."""
        if self.value() in ("there", "removed"):
            return queryset.filter(removed_at__isnull=self.value() == "there")
        return queryset


class InstanceFilter(DropdownFilter):  # type: ignore[misc]  # unfold is untyped
    """Those of instances that exist, or were deleted."""

    title = "instance"
    parameter_name = "instance"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        """The two."""
        return [("exists", "Exists"), ("deleted", "Deleted")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Backup]) -> QuerySet[Backup]:
        """Those; all where nothing is chosen."""
        gone = Instance.State.DELETED
        if self.value() == "deleted":
            return queryset.filter(instance__state=gone)
        return queryset.exclude(instance__state=gone) if self.value() == "exists" else queryset


class AppFilter(DropdownFilter):  # type: ignore[misc]  # unfold is untyped
    """By app, of those that are in use."""

    title = "app"
    parameter_name = "app"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        """Apps that instances have, whether or not the catalog still does."""
        slugs = Instance.objects.order_by("app").values_list("app", flat=True).distinct()
        return [(slug, slug) for slug in slugs]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Backup]) -> QuerySet[Backup]:
        """Backups of instances of that app."""
        return queryset.filter(instance__app=self.value()) if self.value() else queryset
