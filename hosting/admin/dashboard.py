"""The admin's first page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from hosting.admin import server_page
from hosting.admin.building import rows
from hosting.admin.building.tables import NUMBER, Column, Table, beside, link
from hosting.display import INSTANCE, bar, instance_state
from hosting.models import Instance, Server
from hosting.selectors import overview
from hosting.selectors.measuring.meters import meters
from tenants.display import badge, moment


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's callback: add what the first page shows, as far as the person may see it."""
    user = request.user
    found = overview.overview(now=timezone.now())
    context.update(title="Overview", **_nothing())
    if user.has_perm("hosting.view_incident"):
        context["incidents"] = rows.incidents(request, found.incidents, empty="")
        context["incident_count"] = found.incident_count
    if user.has_perm("hosting.view_backup"):
        context["unsaved"] = Table(_UNSAVED, found.unsaved, empty="")
        context["unsaved_count"] = found.unsaved_count
    if user.has_perm("hosting.view_server"):
        context["servers"] = Table(_SERVER, found.servers, empty="There is no server yet.")
    if user.has_perm("hosting.view_instance"):
        context["states"] = tiles(found.states)
    if user.has_perm("hosting.view_operation"):
        context.update(_operations(found))
    return context


def tiles(states: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    """How many instances are in each state, as both pages about the fleet show it."""
    return [
        {"value": state, "count": count, "badge": _state_badge(state)} for state, count in states
    ]


def _nothing() -> dict[str, None]:
    return dict.fromkeys(("incidents", "unsaved", "servers", "states", "active", "failed"))


def _operations(found: overview.Overview) -> dict[str, Any]:
    return {
        "active": rows.operations(
            found.active, with_instance=True, empty="No operation is going on."
        ),
        "active_count": found.active_count,
        "failed": rows.operations(found.failed, with_instance=True, empty="Nothing failed."),
        "failed_count": found.failed_count,
    }


def _state_badge(state: str) -> str:
    return badge(Instance.State(state).label, INSTANCE[state])


def _instance(instance: Instance) -> SafeString:
    return beside(link(instance.name, "hosting_instance_change", instance.pk), instance.client)


_UNSAVED = (
    Column("Instance", _instance),
    Column("State", instance_state),
    Column("App", lambda each: each.app),
    Column("Last proven backup", lambda each: moment(each.proven_at, missing="None")),
)


def _name(server: Server) -> str:
    return link(server.name, "hosting_server_change", server.pk)


_SERVER = (
    Column("Server", _name),
    Column("State", server_page.state),
    Column("Operations", server_page.work),
    Column("CPUs", lambda each: bar(meters(each).cpus)),
    Column("Memory", lambda each: bar(meters(each).memory)),
    Column("Disk", server_page.disk),
    Column("Instances", lambda each: each.instance_count, NUMBER),
)
