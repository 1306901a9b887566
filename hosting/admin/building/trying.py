"""What the pages about restore tests and rehearsals have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, DropdownFilter

from hosting.admin.building.tables import beside, link, with_note
from hosting.display import trial_state
from hosting.models import Trial
from hosting.selectors import reasons, trials
from tenants.admin.base import ReadOnlyPageAdmin
from tenants.admin.filters import DayFilter
from tenants.display import moment, span

T = TypeVar("T", bound=Trial)


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


class TrialAdmin(ReadOnlyPageAdmin[T]):
    """Trials to look at: what was tried, on the backup of which moment, and what came of it."""

    list_filter = (
        ResultFilter,
        ("backup__instance__client", AutocompleteSelectFilter),
        ("created_at", DayFilter),
    )
    search_fields: ClassVar[tuple[str, ...]] = (
        "backup__instance__name",
        "backup__instance__client__name",
        "backup__instance__client__slug",
        "scratch__name",
        "id",
    )
    ordering = ("-created_at",)

    @admin.display(description="Asked for", ordering="created_at")
    def began(self, trial: T) -> str:
        """How long ago."""
        return moment(trial.created_at)

    @admin.display(description="Instance", ordering="backup__instance__name")
    def instance_link(self, trial: T) -> SafeString:
        """The instance that was saved, with its client."""
        return instance(trial, allowed=True)

    @admin.display(description="State", ordering="passed")
    def state(self, trial: T) -> SafeString:
        """What came of it, and why."""
        return with_note(trial_state(trial), reasons.taken_apart(trial.reason).sentence)

    @admin.display(description="Backup of", ordering="backup__taken_at")
    def of(self, trial: T) -> str:
        """The moment of its backup."""
        return moment(trial.backup.taken_at)

    @admin.display(description="Ended", ordering="ended_at")
    def ended(self, trial: T) -> str:
        """How long ago its result was known."""
        return moment(trial.ended_at, missing="Not yet")

    @admin.display(description="Took", ordering="seconds")
    def took(self, trial: T) -> SafeString:
        """From the first look at the backup until the app answered."""
        return format_html('<span class="b-num">{}</span>', span(trial.took) or "–")


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
