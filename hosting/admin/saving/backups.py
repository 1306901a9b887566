"""Backups in the admin: what is proven, how old it is, what is kept by hand."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    BooleanRadioFilter,
    ChoicesDropdownFilter,
)

from hosting.admin.building import acting
from hosting.admin.building.tables import NUMBER, Column, Table, beside, link
from hosting.admin.instance_verbs import BACKUP, OPERATE, RESTORE
from hosting.admin.saving import clones, downloads, places, restore_tests, restores
from hosting.admin.saving.backup_filters import AppFilter, InstanceFilter, ProvenFilter, ThereFilter
from hosting.display import backup_state
from hosting.models import Backup, Instance
from hosting.selectors.saving import backups as reading
from hosting.services.saving import backups
from tenants.admin.base import ReadOnlyAdmin, actor
from tenants.admin.filters import DayFilter
from tenants.display import byte_size, identifier, moment, span

NEVER_SHOWN = ("secrets", "manifest", "stored")


@admin.register(Backup)
class BackupAdmin(ReadOnlyAdmin[Backup]):
    """To look at. Keys, the manifest and the store's password are on no page."""

    list_display = (
        "state",
        "instance_link",
        "trigger",
        "taken",
        "size",
        "added",
        "proven",
        "copied",
        "kept",
    )
    list_filter = (
        ProvenFilter,
        ThereFilter,
        InstanceFilter,
        ("trigger", ChoicesDropdownFilter),
        ("is_pinned", BooleanRadioFilter),
        AppFilter,
        ("instance__client", AutocompleteSelectFilter),
        ("created_at", DayFilter),
    )
    search_fields = ("instance__name", "instance__client__name", "instance__client__slug", "id")
    search_help_text = "Instance, client or identifier"
    ordering = ("-created_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Backup]:
        """With what the list shows, in a fixed number of queries."""
        return reading.for_staff()

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Not by what no page shows: it could be guessed piece by piece."""
        return not lookup.startswith(NEVER_SHOWN) and super().lookup_allowed(lookup, value, request)

    def get_fieldsets(self, request: HttpRequest, obj: Backup | None = None) -> Any:
        """None: a backup has a page of its own."""
        return ()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The backup's page."""
        backup = self.get_object(request, object_id)
        page = _page(backup, request) if backup else {}
        return super().change_view(request, object_id, form_url, {**page, **(extra_context or {})})

    def get_urls(self) -> list[URLPattern]:
        """With keeping, letting go, testing, restoring, taking out, and making a new instance."""
        view = self.admin_site.admin_view
        return [
            path("<uuid:pk>/keep/", view(self.keep), name="hosting_backup_keep"),
            path("<uuid:pk>/let-go/", view(self.let_go), name="hosting_backup_let_go"),
            path("<uuid:pk>/test/", view(restore_tests.test_now), name="hosting_backup_test"),
            path("<uuid:pk>/restore/", view(restores.restore), name="hosting_backup_restore"),
            path("<uuid:pk>/clone/", view(clones.clone), name="hosting_backup_clone"),
            path("<uuid:pk>/download/", view(downloads.download), name="hosting_backup_download"),
            *super().get_urls(),
        ]

    def keep(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Keep it until it is let go by hand."""
        said = "It is kept until it is let go by hand."
        return _set_pinned(request, pk, is_pinned=True, allowed=_may_keep(request), said=said)

    def let_go(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Keep it no longer than the plan says."""
        said = "It is kept no longer than its plan says."
        return _set_pinned(request, pk, is_pinned=False, allowed=_may_let_go(request), said=said)

    @admin.display(description="State")
    def state(self, backup: Backup) -> SafeString:
        """What it is worth."""
        return backup_state(backup)

    @admin.display(description="Instance", ordering="instance__name")
    def instance_link(self, backup: Backup) -> SafeString:
        """The instance with its client."""
        found = backup.instance
        name = link(found.name, "hosting_instance_change", found.pk)
        return format_html(
            '<span class="b-nowrap">{}<br><span class="b-dim">{}</span></span>',
            name,
            found.client.name,
        )

    @admin.display(description="Taken", ordering="taken_at")
    def taken(self, backup: Backup) -> str:
        """How long ago."""
        return moment(backup.taken_at)

    @admin.display(description="Size", ordering="size_bytes")
    def size(self, backup: Backup) -> SafeString:
        """Of its data."""
        return _bytes(backup, backup.size_bytes)

    @admin.display(description="Stored", ordering="stored_bytes")
    def added(self, backup: Backup) -> SafeString:
        """What it added to the store."""
        return _bytes(backup, backup.stored_bytes)

    @admin.display(description="Proven", ordering="verified_at")
    def proven(self, backup: Backup) -> str:
        """How long ago all of it had been read back."""
        return moment(backup.verified_at)

    @admin.display(description="Copied", ordering="copied_at")
    def copied(self, backup: Backup) -> str:
        """How long ago the second place had all of it."""
        if backup.is_good and not backup.is_in_second_place:
            return "–"
        return moment(backup.copied_at)

    @admin.display(description="Kept", ordering="is_pinned")
    def kept(self, backup: Backup) -> str:
        """By what; since when no longer."""
        if backup.removed_at is not None:
            return format_html("Until {}", moment(backup.removed_at))
        if not backup.is_good:
            return "–"
        return _after_deletion(backup) or ("By hand" if backup.is_pinned else "By plan")


def _set_pinned(
    request: HttpRequest, pk: uuid.UUID, *, is_pinned: bool, allowed: bool, said: str
) -> HttpResponse:
    backup = get_object_or_404(reading.for_staff(), pk=pk)
    return acting.post(
        request,
        allowed=allowed,
        change=lambda: backups.set_pinned(backup=backup, is_pinned=is_pinned, actor=actor(request)),
        said=said,
        page=reverse("admin:hosting_backup_change", args=[backup.pk]),
    )


def _may_keep(request: HttpRequest) -> bool:
    return request.user.has_perm(BACKUP)


def _may_let_go(request: HttpRequest) -> bool:
    """What is let go may be gone the next night: for those who may take something away."""
    return request.user.has_perm(BACKUP) and request.user.has_perm(OPERATE)


def _page(backup: Backup, request: HttpRequest) -> dict[str, Any]:
    may = _may_let_go(request) if backup.is_pinned else _may_keep(request)
    others = (
        ("Restores of it", restores.of_backup(backup, request)),
        ("Restore tests of it", restore_tests.of_backup(backup, request)),
    )
    is_there = backup.instance.state != Instance.State.DELETED
    streams = Table(_STREAMS, backup.stored, empty="Nothing was saved.")
    return {
        "title": str(backup),
        "backup": backup,
        "badge": backup_state(backup),
        "what": _what(backup),
        "may_change": may and backup.is_good,
        "may_restore": is_there and backup.is_good and request.user.has_perm(RESTORE),
        "may_clone": backup.is_good and clones.may(request),
        "may_download": backup.is_good and downloads.may(request),
        "may_test": restore_tests.may_test(backup, request),
        "facts": _facts(backup, request),
        "tables": [("What it holds", streams), *(each for each in others if each[1] is not None)],
    }


def _what(backup: Backup) -> str:
    if backup.removed_at:
        return "Its data was removed from the store."
    if backup.verified_at:
        return "All of it was read back and compared."
    if backup.operation and backup.operation.reason:
        return backup.operation.reason
    return "It counts for nothing until all of it was read back."


def _facts(backup: Backup, request: HttpRequest) -> list[tuple[str, object]]:
    manifest, operation = backup.manifest, backup.operation
    by_rule = "Until it is let go by hand" if backup.is_pinned else "As its plan says"
    kept = _after_deletion(backup) or by_rule
    trigger: object = backup.get_trigger_display()
    by = beside(trigger, f"by {operation.requested_by_label}") if operation else trigger
    is_there = backup.taken_at is not None
    return [
        ("Instance", _instance(backup, allowed=request.user.has_perm("hosting.view_instance"))),
        ("App", f"{manifest['app']} {manifest['version']}" if manifest else "–"),
        ("Trigger", by),
        ("Operation", _operation(backup, request)),
        ("Taken", moment(backup.taken_at)),
        ("Proven", moment(backup.verified_at)),
        ("Saved and proven in", _time_to_prove(backup)),
        ("Lies", places.lies(backup)),
        ("Size", byte_size(backup.size_bytes) if is_there else "–"),
        ("Added to the store", byte_size(backup.stored_bytes) if is_there else "–"),
        ("Kept", kept),
        ("Removed", moment(backup.removed_at)),
        ("Identifier", identifier(str(backup.pk))),
    ]


def _after_deletion(backup: Backup) -> str:
    """How long it stays once its instance is deleted: then no other rule counts."""
    until = reading.kept_until(backup.instance)
    if until is None:
        return ""
    return format_html("Instance deleted; kept until {}", moment(until))


def _operation(backup: Backup, request: HttpRequest) -> SafeString | str:
    if backup.operation is None or not request.user.has_perm("hosting.view_operation"):
        return "–"
    kind = backup.operation.get_kind_display()
    return link(kind, "hosting_operation_change", backup.operation.pk)


def _time_to_prove(backup: Backup) -> str:
    if backup.taken_at is None or backup.verified_at is None:
        return "–"
    return span(backup.verified_at - backup.taken_at)


def _instance(backup: Backup, *, allowed: bool) -> SafeString:
    found = backup.instance
    name = link(found.name, "hosting_instance_change", found.pk, allowed=allowed)
    return beside(name, found.client.name)


def _bytes(backup: Backup, value: int) -> SafeString:
    words = "–" if backup.taken_at is None else byte_size(value)
    return format_html('<span class="b-num">{}</span>', words)


_STREAMS = (
    Column("What", lambda each: each["path"]),
    Column("Size", lambda each: byte_size(each["size"]), NUMBER),
    Column("Added to the store", lambda each: byte_size(each["stored_bytes"]), NUMBER),
)
