"""Restore tests in the admin: which backups were brought back, how long it took, what was wrong."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse

from hosting.admin.building import acting, moving, rows, trying
from hosting.admin.building.tables import Table
from hosting.admin.instance_verbs import BACKUP
from hosting.admin.saving import places
from hosting.display import trial_state
from hosting.models import Backup, Instance, RestoreTest
from hosting.selectors import reasons, trials
from hosting.selectors.saving import backups
from hosting.selectors.saving import restore_tests as reading
from hosting.services.saving import restore_tests
from tenants.admin.base import actor
from tenants.display import identifier, moment, span

RECENT = 8  # on another's page
VIEW = "hosting.view_restoretest"


@admin.register(RestoreTest)
class RestoreTestAdmin(trying.TrialAdmin[RestoreTest]):
    """To look at: Berth makes them by itself, and a backup's page has one made now."""

    list_display = ("began", "instance_link", "state", "of", "took", "ended")
    search_help_text = "Instance, client or identifier"

    def get_queryset(self, request: HttpRequest) -> QuerySet[RestoreTest]:
        """With what the list shows, in a fixed number of queries."""
        return reading.for_staff()

    def page(self, obj: RestoreTest, request: HttpRequest) -> dict[str, Any]:
        """What it did."""
        return _page(obj, request)


def test_now(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Have a backup tested, from the second place where that was chosen."""
    backup = get_object_or_404(backups.for_staff(), pk=pk)
    is_from_copy = request.POST.get("place") == places.SECOND
    return acting.post(
        request,
        allowed=request.user.has_perm(BACKUP),
        change=lambda: restore_tests.request_now(
            backup=backup, actor=actor(request), is_from_copy=is_from_copy
        ),
        said=f"{backup.instance.name}: “Restore test” is asked for.",
        page=reverse("admin:hosting_backup_change", args=[backup.pk]),
    )


def may_test(backup: Backup, request: HttpRequest) -> bool:
    """Whether a test of it can be asked for now, by this person: only of the newest proven one."""
    if not backup.is_good or not request.user.has_perm(BACKUP):
        return False
    may = reading.may_be_tested().filter(pk=backup.instance_id).exists()
    is_newest = backups.newest_proven(backup.instance) == backup
    return may and is_newest and not reading.is_going_on(backup.instance)


def of_instance(instance: Instance, request: HttpRequest) -> Table | None:
    """The last tests of its backups, if there were any, for whoever may look at them."""
    return _newest(reading.for_staff().filter(backup__instance=instance), request)


def of_backup(backup: Backup, request: HttpRequest) -> Table | None:
    """The same of the backup."""
    return _newest(reading.for_staff().filter(backup=backup), request)


def _newest(found: QuerySet[RestoreTest], request: HttpRequest) -> Table | None:
    newest = list(found.order_by("-created_at")[:RECENT]) if request.user.has_perm(VIEW) else []
    return rows.restore_tests(newest, empty="") if newest else None


def _page(test: RestoreTest, request: HttpRequest) -> dict[str, Any]:
    may = request.user.has_perm
    operation = trials.operation_of(test)
    return {
        "title": f"Restore test of {test.backup.instance}",
        "badge": trial_state(test),
        "what": _what(test),
        "reason": reasons.taken_apart(test.reason),
        "facts": [
            ("Instance", trying.instance(test, allowed=may("hosting.view_instance"))),
            ("Backup of", moving.backup(test.backup, allowed=may("hosting.view_backup"))),
            ("Operation", trying.operation(test, allowed=may("hosting.view_operation"))),
            ("Asked for by", operation.requested_by_label),
            ("Asked for", moment(test.created_at)),
            ("Result", moment(test.ended_at, missing="Not yet")),
            ("Brought back in", span(test.took) or "–"),
            ("Where", trying.scratch(test, allowed=may("hosting.view_instance"))),
            ("Identifier", identifier(str(test.pk))),
        ],
        "tables": [("What the restored data said", rows.checks(test.checks))],
    }


def _what(test: RestoreTest) -> str:
    if test.passed is None:
        return "The backup is brought back in an instance of its own that nobody reaches."
    if test.passed:
        return "The app came up with the data of the backup, which is what it was."
    if trials.operation_of(test).cancel_requested_at is not None:
        return "It was called off, and says nothing of the backup."
    return "The app did not come back from the backup as it was."
