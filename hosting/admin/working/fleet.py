"""Fleet actions in the admin: how far they are, wave by wave, while they go on."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter

from hosting.admin.building import acting, in_waves, rows
from hosting.admin.building.tables import Column, with_note
from hosting.display import fleet_action_state, fleet_item_state
from hosting.models import FleetAction, FleetActionItem, Operation
from hosting.selectors.working import fleet as reading
from hosting.services.working import fleet
from tenants.admin.base import actor
from tenants.display import span

STOP = "hosting.change_fleetaction"
_Item = FleetActionItem.State


@admin.register(FleetAction)
class FleetActionAdmin(in_waves.WavesAdmin[FleetAction]):
    """Begun on a server's page; here it is watched, and stopped."""

    list_display = (
        "what",
        "status",
        "progress",
        "failures",
        "author",
        "asked",
        "took",
    )
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("purpose", ChoicesDropdownFilter),
        ("server", RelatedDropdownFilter),
    )
    search_fields = ("server__name", "requested_by_label", "reason", "id")
    search_help_text = "Server, who asked, reason or identifier"

    def get_queryset(self, request: HttpRequest) -> QuerySet[FleetAction]:
        """With how far they are."""
        return reading.with_progress(super().get_queryset(request))

    def live(self, pk: uuid.UUID, request: HttpRequest) -> dict[str, Any]:
        """The waves as they stand."""
        return _as_of_now(pk, request)

    def get_urls(self) -> list[URLPattern]:
        """With stopping it."""
        view = self.admin_site.admin_view(self.stop)
        return [
            path("<uuid:pk>/stop/", view, name="hosting_fleetaction_stop"),
            *super().get_urls(),
        ]

    def stop(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Begin no further wave."""
        action = get_object_or_404(FleetAction, pk=pk)
        return acting.post(
            request,
            allowed=request.user.has_perm(STOP),
            change=lambda: fleet.stop(action=action, actor=actor(request)),
            said="No further wave begins. What is being worked on goes on.",
            page=reverse("admin:hosting_fleetaction_change", args=[action.pk]),
        )

    @admin.display(description="Action", ordering="kind")
    def what(self, action: FleetAction) -> str:
        """In words."""
        return title(action)

    @admin.display(description="State", ordering="state")
    def status(self, action: FleetAction) -> SafeString:
        """How it stands."""
        return fleet_action_state(action)


def title(action: FleetAction) -> str:
    """What it does, and why where that is not plain."""
    if action.purpose == FleetAction.Purpose.DRAIN:
        return f"Drain {action.server}"
    if action.purpose == FleetAction.Purpose.REOPEN:
        return f"Start again what a drain stopped on {action.server}"
    return f"{Operation.Kind(action.kind).label} all on {action.server}"


def _as_of_now(pk: uuid.UUID, request: HttpRequest) -> dict[str, Any]:
    """What the action's page shows, as of now."""
    action = get_object_or_404(reading.with_progress(FleetAction.objects.all()), pk=pk)
    waves = reading.waves(action, opened=in_waves.opened(request))
    total, ended = action.total, action.ended  # type: ignore[attr-defined]  # annotated above
    is_running = action.state == FleetAction.State.RUNNING
    return {
        "fleet_action": action,
        "title": title(action),
        "badge": fleet_action_state(action),
        "is_running": is_running,
        "live_url": reverse("admin:hosting_fleetaction_live", args=[action.pk]),
        "renews": is_running or any(wave.is_running for wave in waves),
        "waves": [_show(wave, request, alone=len(waves) == 1) for wave in waves],
        "total": total,
        "ended": ended,
        "failed": action.failed,  # type: ignore[attr-defined]  # annotated above
        "percent": round(100 * ended / total) if total else 0,
        "took": in_waves.took(action),
        "may_stop": is_running and request.user.has_perm(STOP),
    }


def _show(wave: reading.FleetWave, request: HttpRequest, *, alone: bool) -> in_waves.WaveView:
    title = f"Wave {wave.number}"
    return in_waves.show(wave, _COLUMNS, title=title, alone=alone, request=request)


def _doing(item: FleetActionItem) -> SafeString | str:
    if item.operation is None:
        return item.reason or "–"
    if item.operation.is_active:
        return rows.step(item.operation)
    return with_note("", item.reason) if item.reason else "–"


def _took(item: FleetActionItem) -> str:
    operation = item.operation
    if operation is None or operation.started_at is None:
        return "–"
    return span((operation.finished_at or timezone.now()) - operation.started_at)


_COLUMNS = (
    Column("Instance", in_waves.instance),
    Column("State", fleet_item_state),
    Column("Step or reason", _doing),
    Column("Operation", in_waves.operation),
    Column("Took", _took, "b-num"),
)
