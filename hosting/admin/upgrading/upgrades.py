"""Upgrades in the admin: what was changed to what, and how long there is a way back."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from hosting.admin.building import moving, rows
from hosting.admin.building.tables import Table, with_note
from hosting.display import move_state
from hosting.models import Instance, Upgrade
from hosting.selectors import reasons
from hosting.selectors.upgrading import upgrades as reading
from tenants.display import identifier, moment

RECENT = 8  # on an instance's page
VIEW = "hosting.view_upgrade"


@admin.register(Upgrade)
class UpgradeAdmin(moving.MoveAdmin[Upgrade]):
    """To look at: a client asks for one, or a rollout does; the instance's page leads back."""

    list_display = ("asked", "instance_link", "state", "change", "away", "way_back")
    search_fields = (*moving.MoveAdmin.search_fields, "to_version")
    search_help_text = "Instance, client, version or identifier"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Upgrade]:
        """With what the list shows, in a fixed number of queries."""
        return reading.for_staff()

    def page(self, obj: Upgrade, request: HttpRequest) -> dict[str, Any]:
        """What it did."""
        return _page(obj, request)

    @admin.display(description="State", ordering="operation__state")
    def state(self, upgrade: Upgrade) -> SafeString:
        """What became of it, and why it did not come to its end."""
        why = upgrade.trouble or reasons.why_ended(upgrade.operation)
        return with_note(move_state(upgrade), reasons.taken_apart(why).sentence)

    @admin.display(description="Change", ordering="to_version")
    def change(self, upgrade: Upgrade) -> str:
        """From what to what."""
        return _change(upgrade)


def of_instance(instance: Instance, request: HttpRequest) -> Table | None:
    """The instance's last ones, if there were any, for whoever may look at them."""
    if not request.user.has_perm(VIEW):
        return None
    found = reading.for_staff().filter(operation__instance=instance)
    newest = list(found.order_by("-requested_at")[:RECENT])
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
