"""What the pages about restore tests and rehearsals have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter

from hosting.admin.building.tables import beside, link
from hosting.models import Trial
from hosting.selectors import trials


class ResultFilter(DropdownFilter):  # type: ignore[misc]  # unfold is untyped
    """By what came of them."""

    title = "result"
    parameter_name = "result"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        """What can come of one."""
        return [
            ("passed", "Passed"),
            ("failed", "Failed"),
            ("called-off", "Called off"),
            ("open", "Going on"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those of which that is so; all where nothing is chosen."""
        match self.value():
            case "passed":
                return queryset.filter(passed=True)
            case "failed":
                return queryset.filter(passed=False).exclude(trials.CALLED_OFF)
            case "called-off":
                return queryset.filter(trials.CALLED_OFF)
            case "open":
                return queryset.filter(passed=None)
        return queryset


def instance(trial: Trial, *, allowed: bool) -> SafeString:
    """The instance that was saved, with its client."""
    found = trial.backup.instance
    name = link(found.name, "hosting_instance_change", found.pk, allowed=allowed)
    return beside(name, found.client.name)


def scratch(trial: Trial, *, allowed: bool) -> SafeString:
    """Where it was tried, and whether that is gone."""
    where = trial.scratch
    name = link(where.name, "hosting_instance_change", where.pk, allowed=allowed)
    return beside(name, where.get_state_display().lower())


def operation(trial: Trial, *, allowed: bool) -> SafeString:
    """Where its steps are."""
    found = trials.operation_of(trial)
    return link(found.get_kind_display(), "hosting_operation_change", found.pk, allowed=allowed)
