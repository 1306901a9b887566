"""Rollouts in the admin: begun here, watched wave by wave, paused, resumed and stopped."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from hosting.admin.building import acting, in_waves, rows
from hosting.admin.building.tables import Column, link, with_note
from hosting.admin.instance_filters import AppFilter
from hosting.admin.upgrading import rollout_form
from hosting.display import rollout_item_state, rollout_state
from hosting.models import Rollout, RolloutItem
from hosting.selectors import reasons
from hosting.selectors.upgrading import rollouts as reading
from hosting.services.upgrading import rollouts
from tenants.admin.base import actor
from tenants.display import span

CHANGE = "hosting.change_rollout"
_Item = RolloutItem.State


@admin.register(Rollout)
class RolloutAdmin(in_waves.WavesAdmin[Rollout]):
    """A version of an app for all of its instances."""

    list_display = ("what", "status", "progress", "failures", "author", "asked", "took")
    list_filter = (("state", ChoicesDropdownFilter), AppFilter)
    search_fields = ("app", "version", "requested_by_label", "reason", "id")
    search_help_text = "App, version, who asked, reason or identifier"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Beginning one is adding one."""
        return request.user.has_perm(rollout_form.BEGIN)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Choosing what is given to all, and how."""
        return rollout_form.view(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rollout]:
        """With how far they are."""
        return reading.with_progress(super().get_queryset(request))

    def live(self, pk: uuid.UUID, request: HttpRequest) -> dict[str, Any]:
        """The waves as they stand."""
        return _as_of_now(pk, request)

    def get_urls(self) -> list[URLPattern]:
        """With pausing it, resuming and stopping it."""
        view = self.admin_site.admin_view
        return [
            path("<uuid:pk>/pause/", view(self.pause), name="hosting_rollout_pause"),
            path("<uuid:pk>/resume/", view(self.resume), name="hosting_rollout_resume"),
            path("<uuid:pk>/stop/", view(self.stop), name="hosting_rollout_stop"),
            *super().get_urls(),
        ]

    def pause(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Begin nothing more for now."""
        said = "It begins nothing more until it is resumed. What is being changed goes on."
        return _change(request, pk, rollouts.pause, said=said)

    def resume(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Go on."""
        return _change(request, pk, rollouts.resume, said="It goes on.")

    def stop(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Begin nothing more."""
        said = "Nothing more is begun. What is being changed goes on to its end."
        return _change(request, pk, rollouts.stop, said=said)

    @admin.display(description="Rollout", ordering="app")
    def what(self, rollout: Rollout) -> str:
        """App and version."""
        return f"{rollout.app} {rollout.version}"

    @admin.display(description="State", ordering="state")
    def status(self, rollout: Rollout) -> SafeString:
        """How it stands, and why it was stopped."""
        return with_note(rollout_state(rollout), rollout.reason)


def _change(
    request: HttpRequest, pk: uuid.UUID, verb: Callable[..., None], *, said: str
) -> HttpResponse:
    rollout = get_object_or_404(Rollout, pk=pk)
    return acting.post(
        request,
        allowed=request.user.has_perm(CHANGE),
        change=lambda: verb(rollout=rollout, actor=actor(request)),
        said=said,
        page=reverse("admin:hosting_rollout_change", args=[rollout.pk]),
    )


def _as_of_now(pk: uuid.UUID, request: HttpRequest) -> dict[str, Any]:
    """What the rollout's page shows, as of now."""
    rollout = get_object_or_404(reading.with_progress(Rollout.objects.all()), pk=pk)
    waves = reading.waves(rollout, opened=in_waves.opened(request))
    total, ended = rollout.total, rollout.ended  # type: ignore[attr-defined]  # annotated above
    is_running = rollout.state == Rollout.State.RUNNING
    return {
        "rollout": rollout,
        "title": f"Rollout of {rollout.app} {rollout.version}",
        "badge": rollout_state(rollout),
        "is_running": is_running,
        "live_url": reverse("admin:hosting_rollout_live", args=[rollout.pk]),
        "renews": is_running or any(wave.is_running for wave in waves),
        "next": _next(rollout),
        "waves": [_show(wave, request, alone=len(waves) == 1) for wave in waves],
        "total": total,
        "ended": ended,
        "failed": rollout.failed,  # type: ignore[attr-defined]  # annotated above
        "percent": round(100 * ended / total) if total else 0,
        "pause": span(rollout.pause),
        "took": in_waves.took(rollout),
        "may_change": is_running and request.user.has_perm(CHANGE),
    }


def _next(rollout: Rollout) -> str:
    """When the pause is over, while there is one."""
    if rollout.is_held:
        return "It begins nothing more until it is resumed."
    at, now = rollout.next_wave_at, timezone.now()
    is_paused = rollout.state == Rollout.State.RUNNING and at is not None and at > now
    return f"The next wave begins in {span(at - now)}." if is_paused and at else ""


def _show(wave: reading.RolloutWave, request: HttpRequest, *, alone: bool) -> in_waves.WaveView:
    title = "Canaries" if wave.is_canary else f"Wave {wave.number}"
    return in_waves.show(wave, _COLUMNS, title=title, alone=alone, request=request)


def _doing(item: RolloutItem) -> SafeString | str:
    if item.operation is not None and item.operation.is_active:
        return rows.step(item.operation)
    why = reasons.taken_apart(item.reason).sentence or _waits_for(item)
    return with_note("", why) if why else "–"


def _waits_for(item: RolloutItem) -> str:
    """Why one that could be begun, or changed after its rehearsal, is not."""
    if item.rollout.is_held and item.state in (_Item.WAITING, _Item.REHEARSING):
        return "Waits until the rollout is resumed"
    is_rehearsed = item.state == _Item.REHEARSING and item.rehearsal and item.rehearsal.passed
    if not is_rehearsed and item.state != _Item.WAITING:
        return ""
    if item.rollout.in_window and not reading.is_in_window(item.instance, now=timezone.now()):
        return "Waits for its hours"
    return "Waits until nothing else is done to it" if is_rehearsed else ""


def _rehearsal(item: RolloutItem) -> SafeString | str:
    """What it said; nothing where it has not come to that."""
    if item.rehearsal is None:
        return "–"
    words = {None: "Going on", True: "Passed", False: "Failed"}[item.rehearsal.passed]
    return link(words, "hosting_rehearsal_change", item.rehearsal_id)


def _hours(item: RolloutItem) -> str:
    found = item.instance
    return f"{found.changes_from:%H:%M} to {found.changes_until:%H:%M}, {found.client.timezone}"


_COLUMNS = (
    Column("Instance", in_waves.instance),
    Column("State", rollout_item_state),
    Column("Rehearsal", _rehearsal),
    Column("Change", in_waves.operation),
    Column("Step or reason", _doing),
    Column("Its hours", _hours),
)
