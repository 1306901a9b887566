"""Upgrades in the admin: what was changed to what, and how long there is a way back."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from hosting.admin.building import moving, rows
from hosting.admin.building.tables import Table, with_note
from hosting.display import move_state
from hosting.models import Instance, Upgrade
from hosting.selectors import reasons
from hosting.selectors.upgrading import upgrades as reading
from tenants.admin.base import ReadOnlyPageAdmin
from tenants.admin.filters import DayFilter
from tenants.display import identifier, moment

RECENT = 8  # on an instance's page
VIEW = "hosting.view_upgrade"


@admin.register(Upgrade)
class UpgradeAdmin(ReadOnlyPageAdmin[Upgrade]):
    """To look at: a client asks for one, or a rollout does; the instance's page leads back."""

    list_display = ("asked", "instance_link", "state", "change", "away", "way_back")
    list_filter = (
        ("operation__state", ChoicesDropdownFilter),
        ("operation__instance__client", AutocompleteSelectFilter),
        ("operation__requested_at", DayFilter),
    )
    search_fields = (
        "operation__instance__name",
        "operation__instance__client__name",
        "operation__instance__client__slug",
        "to_version",
        "id",
    )
    search_help_text = "Instance, client, version or identifier"
    ordering = ("-operation__requested_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Upgrade]:
        """With what the list shows, in a fixed number of queries."""
        return reading.for_staff()

    def page(self, obj: Upgrade, request: HttpRequest) -> dict[str, Any]:
        """What it did."""
        return _page(obj, request)

    @admin.display(description="Asked for", ordering="operation__requested_at")
    def asked(self, upgrade: Upgrade) -> str:
        """How long ago."""
        return moment(upgrade.operation.requested_at)

    @admin.display(description="Instance", ordering="operation__instance__name")
    def instance_link(self, upgrade: Upgrade) -> SafeString:
        """The instance with its client."""
        return moving.instance(upgrade, allowed=True)

    @admin.display(description="State", ordering="operation__state")
    def state(self, upgrade: Upgrade) -> SafeString:
        """What became of it, and why it did not come to its end."""
        why = upgrade.trouble or reasons.why_ended(upgrade.operation)
        return with_note(move_state(upgrade), reasons.taken_apart(why).sentence)

    @admin.display(description="Change", ordering="to_version")
    def change(self, upgrade: Upgrade) -> str:
        """From what to what."""
        return _change(upgrade)

    @admin.display(description="Away", ordering="seconds")
    def away(self, upgrade: Upgrade) -> SafeString:
        """How long the instance was stopped for it."""
        return format_html('<span class="b-num">{}</span>', moving.away(upgrade))

    @admin.display(description="Way back until", ordering="kept_until")
    def way_back(self, upgrade: Upgrade) -> str:
        """How long version and data of before are kept."""
        return moment(upgrade.kept_until)


def of_instance(instance: Instance, request: HttpRequest) -> Table | None:
    """The instance's last ones, if there were any, for whoever may look at them."""
    if not request.user.has_perm(VIEW):
        return None
    found = reading.for_staff().filter(operation__instance=instance)
    newest = list(found.order_by("-operation__requested_at")[:RECENT])
    return rows.upgrades(newest, empty="") if newest else None


def _change(upgrade: Upgrade) -> str:
    told = upgrade.told
    return f"{told[:1].upper()}{told[1:]}"


def _page(upgrade: Upgrade, request: HttpRequest) -> dict[str, Any]:
    return {
        "title": f"Upgrade of {upgrade.operation.instance}",
        "badge": move_state(upgrade),
        "what": _what(upgrade),
        "why": reasons.why_ended(upgrade.operation),
        "trouble": reasons.taken_apart(upgrade.trouble),
        "facts": _facts(upgrade, request),
        "tables": [],
    }


def _what(upgrade: Upgrade) -> str:
    if upgrade.undone_at:
        return "The instance is back on the version and the data of before."
    if upgrade.seconds is not None:
        return "The instance was changed."
    if upgrade.operation.is_active:
        return "The instance is what it was still."
    return "The instance stayed what it was."


def _facts(upgrade: Upgrade, request: HttpRequest) -> list[tuple[str, object]]:
    may, operation = request.user.has_perm, upgrade.operation
    return [
        ("Instance", moving.instance(upgrade, allowed=may("hosting.view_instance"))),
        ("Change", _change(upgrade)),
        ("Safety backup of", moving.backup(upgrade.safety, allowed=may("hosting.view_backup"))),
        ("Operations", moving.operations(upgrade, allowed=may("hosting.view_operation"))),
        ("Asked for by", operation.requested_by_label),
        ("Asked for", moment(operation.requested_at)),
        ("Generation of the data", moving.generations(upgrade)),
        ("Away", moving.away(upgrade)),
        ("Version and data of before are kept until", moment(upgrade.kept_until)),
        ("Gone back", moment(upgrade.undone_at)),
        ("Identifier", identifier(str(upgrade.pk))),
    ]
