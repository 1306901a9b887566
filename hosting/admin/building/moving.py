"""What the pages about restores and upgrades have in common."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, TypeVar

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from hosting.admin.building.tables import beside, link
from hosting.models import Backup, Move
from tenants.admin.base import ReadOnlyPageAdmin
from tenants.admin.filters import DayFilter
from tenants.display import moment, span

M = TypeVar("M", bound=Move)


class MoveAdmin(ReadOnlyPageAdmin[M]):
    """Moves to look at: of which instance, how long it was away, how long there is a way back."""

    list_filter = (
        ("operation__state", ChoicesDropdownFilter),
        ("operation__instance__client", AutocompleteSelectFilter),
        ("requested_at", DayFilter),
    )
    search_fields: ClassVar[tuple[str, ...]] = (
        "operation__instance__name",
        "operation__instance__client__name",
        "operation__instance__client__slug",
        "id",
    )
    ordering = ("-requested_at",)

    @admin.display(description="Asked for", ordering="requested_at")
    def asked(self, move: M) -> str:
        """How long ago."""
        return moment(move.requested_at)

    @admin.display(description="Instance", ordering="operation__instance__name")
    def instance_link(self, move: M) -> SafeString:
        """The instance with its client."""
        return instance(move, allowed=True)

    @admin.display(description="Away", ordering="seconds")
    def away(self, move: M) -> SafeString:
        """How long the instance was stopped for it."""
        return format_html('<span class="b-num">{}</span>', away(move))

    @admin.display(description="Way back until", ordering="kept_until")
    def way_back(self, move: M) -> str:
        """How long what was before is kept."""
        return moment(move.kept_until)


def instance(move: Move, *, allowed: bool) -> SafeString:
    """The instance with its client."""
    found = move.operation.instance
    name = link(found.name, "hosting_instance_change", found.pk, allowed=allowed)
    return beside(name, found.client.name)


def backup(found: Backup | None, *, allowed: bool) -> SafeString | str:
    """The moment of a backup, leading there."""
    if found is None:
        return "None"
    return link(moment(found.taken_at), "hosting_backup_change", found.pk, allowed=allowed)


def operations(move: Move, *, allowed: bool) -> SafeString:
    """The move itself, and the last operation that was to go back."""
    both = (move.operation, move.reverted_by)
    links = (
        (link(each.get_kind_display(), "hosting_operation_change", each.pk, allowed=allowed),)
        for each in both
        if each is not None
    )
    return format_html_join(", ", "{}", links)


def generations(move: Move) -> SafeString:
    """From which data to which."""
    return format_html(
        '<span class="b-num">{} → {}</span>', move.from_generation, move.to_generation
    )


def away(move: Move) -> str:
    """How long the instance was stopped for it."""
    return "–" if move.seconds is None else span(timedelta(seconds=move.seconds))
