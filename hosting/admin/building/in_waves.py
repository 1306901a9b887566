"""What the pages of fleet actions and of rollouts have in common: what is done wave by wave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from hosting.admin.building.live import LiveAdmin
from hosting.admin.building.tables import Column, Table, beside, link
from hosting.models import FleetAction, FleetActionItem, Rollout, RolloutItem
from hosting.selectors.working.waves import Wave
from tenants.display import badge, moment, span

A = TypeVar("A", FleetAction, Rollout)
_FAILED, _SKIPPED = FleetActionItem.State.FAILED, FleetActionItem.State.SKIPPED  # in both


@dataclass(frozen=True, slots=True)
class WaveView:
    """A wave as the page shows it: open while something happens in it, or went wrong.

    It has no table where its instances are only read once somebody opens it.
    """

    wave: Wave
    title: str
    table: Table | None
    badge: SafeString
    is_open: bool


class WavesAdmin(LiveAdmin[A]):
    """Begun elsewhere; here it is watched, and stopped."""

    has_history = True
    ordering = ("-requested_at",)

    @admin.display(description="Ended")
    def progress(self, action: A) -> str:
        """Instances of all."""
        return f"{action.ended} of {action.total}"  # type: ignore[attr-defined]  # annotated

    @admin.display(description="Failed")
    def failures(self, action: A) -> int:
        """How many."""
        return int(action.failed)  # type: ignore[attr-defined]  # annotated

    @admin.display(description="Asked for by", ordering="requested_by_label")
    def author(self, action: A) -> str:
        """Who, by name as it was."""
        return action.requested_by_label

    @admin.display(description="Asked for", ordering="requested_at")
    def asked(self, action: A) -> str:
        """How long ago."""
        return moment(action.requested_at)

    @admin.display(description="Took")
    def took(self, action: A) -> str:
        """From its start to its end, or until now."""
        return took(action)


def took(action: FleetAction | Rollout) -> str:
    """How long it took, or takes already."""
    return span((action.finished_at or timezone.now()) - action.requested_at)


def opened(request: HttpRequest) -> list[int]:
    """The numbers of the waves that the person has opened; what is no number is none."""
    asked = request.GET.getlist("wave")
    return [int(each) for each in asked if each.isascii() and each.isdigit() and len(each) < 9]


def show(
    wave: Wave, columns: Sequence[Column], *, title: str, alone: bool, request: HttpRequest
) -> WaveView:
    """The wave with its instances. ``alone``: there is no other."""
    # In a page that is open already what a person unfolded stays so by itself.
    is_asked_for = "HX-Request" not in request.headers and wave.number in opened(request)
    is_open = wave.items is not None and (alone or wave.is_of_interest or is_asked_for)
    table = None if wave.items is None else Table(columns, wave.items, empty="")
    return WaveView(wave, title, table, _badge(wave), is_open)


def instance(item: FleetActionItem | RolloutItem) -> SafeString:
    """The instance with its client."""
    name = link(item.instance.name, "hosting_instance_change", item.instance_id)
    return beside(name, item.instance.client)


def operation(item: FleetActionItem | RolloutItem) -> SafeString | str:
    """Where its steps are; nothing where it has not come to that."""
    if item.operation is None:
        return "–"
    return link(item.operation.get_kind_display(), "hosting_operation_change", item.operation_id)


def _badge(wave: Wave) -> SafeString:
    counts = wave.counts
    if wave.is_running:
        return badge("Running", "busy")
    if wave.is_waiting:
        return badge("Waiting", "idle")
    if counts[_FAILED]:
        return badge(f"{counts[_FAILED]} failed", "bad")
    if counts[_SKIPPED] == wave.size:
        return badge("Left out", "idle")
    return badge("Done", "ok")
