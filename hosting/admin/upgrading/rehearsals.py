"""Rehearsals in the admin: which upgrades were tried on a copy, and what came of it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from hosting.admin.building import moving, rows, trying
from hosting.display import trial_state
from hosting.models import Rehearsal
from hosting.selectors import reasons, trials
from hosting.selectors.upgrading import rehearsals as reading
from tenants.display import identifier, moment, span


@admin.register(Rehearsal)
class RehearsalAdmin(trying.TrialAdmin[Rehearsal]):
    """To look at: a client asks for one before an upgrade, and a rollout for each instance."""

    list_display = ("began", "instance_link", "state", "to_version", "of", "took", "ended")
    search_fields = (*trying.TrialAdmin.search_fields, "to_version")
    search_help_text = "Instance, client, version or identifier"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rehearsal]:
        """With what the list shows, in a fixed number of queries."""
        return reading.for_staff()

    def page(self, obj: Rehearsal, request: HttpRequest) -> dict[str, Any]:
        """What it did."""
        return _page(obj, request)


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
