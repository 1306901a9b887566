"""Rehearsals in the admin: which upgrades were tried on a copy, and what came of it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from hosting.admin.building import moving, rows, trying
from hosting.admin.building.tables import with_note
from hosting.display import trial_state
from hosting.models import Rehearsal
from hosting.selectors import reasons, trials
from hosting.selectors.upgrading import rehearsals as reading
from tenants.admin.base import ReadOnlyPageAdmin
from tenants.admin.filters import DayFilter
from tenants.display import identifier, moment, span


@admin.register(Rehearsal)
class RehearsalAdmin(ReadOnlyPageAdmin[Rehearsal]):
    """To look at: a client asks for one before an upgrade, and a rollout for each instance."""

    list_display = ("began", "instance_link", "state", "to_version", "of", "took", "ended")
    list_filter = (
        trying.ResultFilter,
        ("backup__instance__client", AutocompleteSelectFilter),
        ("created_at", DayFilter),
    )
    search_fields = (
        "backup__instance__name",
        "backup__instance__client__name",
        "backup__instance__client__slug",
        "scratch__name",
        "to_version",
        "id",
    )
    search_help_text = "Instance, client, version or identifier"
    ordering = ("-created_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rehearsal]:
        """With what the list shows, in a fixed number of queries."""
        return reading.for_staff()

    def page(self, obj: Rehearsal, request: HttpRequest) -> dict[str, Any]:
        """What it did."""
        return _page(obj, request)

    @admin.display(description="Asked for", ordering="created_at")
    def began(self, rehearsal: Rehearsal) -> str:
        """How long ago."""
        return moment(rehearsal.created_at)

    @admin.display(description="Instance", ordering="backup__instance__name")
    def instance_link(self, rehearsal: Rehearsal) -> SafeString:
        """The instance that is to be changed, with its client."""
        return trying.instance(rehearsal, allowed=True)

    @admin.display(description="State", ordering="passed")
    def state(self, rehearsal: Rehearsal) -> SafeString:
        """What came of it, and why."""
        why = reasons.taken_apart(rehearsal.reason).sentence
        return with_note(trial_state(rehearsal), why)

    @admin.display(description="Backup of", ordering="backup__taken_at")
    def of(self, rehearsal: Rehearsal) -> str:
        """The moment of its backup."""
        return moment(rehearsal.backup.taken_at)

    @admin.display(description="Took", ordering="seconds")
    def took(self, rehearsal: Rehearsal) -> SafeString:
        """With bringing the data back."""
        return format_html('<span class="b-num">{}</span>', span(rehearsal.took) or "–")

    @admin.display(description="Ended", ordering="ended_at")
    def ended(self, rehearsal: Rehearsal) -> str:
        """How long ago its result was known."""
        return moment(rehearsal.ended_at, missing="Not yet")


def _page(rehearsal: Rehearsal, request: HttpRequest) -> dict[str, Any]:
    may, backup = request.user.has_perm, rehearsal.backup
    return {
        "title": f"Rehearsal of {rehearsal.to_version} for {backup.instance}",
        "badge": trial_state(rehearsal),
        "what": _what(rehearsal),
        "reason": reasons.taken_apart(rehearsal.reason),
        "facts": [
            ("Instance", trying.instance(rehearsal, allowed=may("hosting.view_instance"))),
            ("Tried version", rehearsal.to_version),
            ("Tried plan", rehearsal.to_plan),
            ("Backup of", moving.backup(backup, allowed=may("hosting.view_backup"))),
            ("Operation", trying.operation(rehearsal, allowed=may("hosting.view_operation"))),
            ("Asked for", moment(rehearsal.created_at)),
            ("Result", moment(rehearsal.ended_at, missing="Not yet")),
            ("Took", span(rehearsal.took) or "–"),
            ("Where", trying.scratch(rehearsal, allowed=may("hosting.view_instance"))),
            ("Identifier", identifier(str(rehearsal.pk))),
        ],
        "tables": [("What the restored data said", rows.checks(rehearsal.checks))],
    }


def _what(rehearsal: Rehearsal) -> str:
    if rehearsal.passed is None:
        return "The change is tried on a copy of the data that nobody reaches."
    if rehearsal.passed:
        return "The new version came up with the data of the backup, and its pages answered."
    if trials.operation_of(rehearsal).cancel_requested_at is not None:
        return "It was called off, and says nothing of the version."
    return "The new version did not come up with the data of the backup."
