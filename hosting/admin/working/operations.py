"""Operations in the admin: what they did, step by step, while they do it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    RelatedDropdownFilter,
)

from hosting.admin.building import acting
from hosting.admin.building.live import LiveAdmin
from hosting.display import STEP, operation_state
from hosting.models import Operation, OperationStep
from hosting.selectors import overview
from hosting.selectors.working.operations import usual_duration
from hosting.services.working import operations
from tenants.admin.base import actor
from tenants.admin.filters import DayFilter
from tenants.display import Tone, moment, span

CANCEL = "hosting.cancel_operation"


@admin.register(Operation)
class OperationAdmin(LiveAdmin[Operation]):
    """Nothing is written here but the wish to call one off."""

    list_display = (
        "kind",
        "instance_link",
        "status",
        "step",
        "author",
        "asked",
        "took",
    )
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("instance__client", AutocompleteSelectFilter),
        ("instance__server", RelatedDropdownFilter),
        ("requested_at", DayFilter),
    )
    search_fields = (
        "instance__name",
        "instance__client__name",
        "requested_by_label",
        "reason",
        "id",
    )
    search_help_text = "Instance, client, who asked, reason or identifier"
    ordering = ("-requested_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Operation]:
        """With what the list shows, in a fixed number of queries."""
        return overview.operations_with_steps()

    def live(self, pk: uuid.UUID, request: HttpRequest) -> dict[str, Any]:
        """The steps as they stand."""
        return _as_of_now(pk, request)

    def get_urls(self) -> list[URLPattern]:
        """With calling it off."""
        view = self.admin_site.admin_view(self.cancel)
        return [
            path("<uuid:pk>/cancel/", view, name="hosting_operation_cancel"),
            *super().get_urls(),
        ]

    def cancel(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Call it off."""
        operation = get_object_or_404(Operation, pk=pk)
        return acting.post(
            request,
            allowed=request.user.has_perm(CANCEL),
            change=lambda: operations.cancel(operation_id=operation.pk, actor=actor(request)),
            said="It is called off at its next safe point.",
            page=reverse("admin:hosting_operation_change", args=[operation.pk]),
        )

    @admin.display(description="Instance", ordering="instance__name")
    def instance_link(self, operation: Operation) -> SafeString:
        """The instance with its client."""
        return format_html(
            '<a href="{}">{}</a> <span class="b-dim">{}</span>',
            reverse("admin:hosting_instance_change", args=[operation.instance_id]),
            operation.instance.name,
            operation.instance.client.name,
        )

    @admin.display(description="State", ordering="state")
    def status(self, operation: Operation) -> SafeString:
        """How it stands."""
        return operation_state(operation)

    @admin.display(description="Step")
    def step(self, operation: Operation) -> str:
        """What it is doing, or failed at."""
        step = overview.current_step(operation)
        return step.title if step else "–"

    @admin.display(description="Asked for by", ordering="requested_by_label")
    def author(self, operation: Operation) -> str:
        """Who, by name as it was."""
        return operation.requested_by_label

    @admin.display(description="Asked for", ordering="requested_at")
    def asked(self, operation: Operation) -> str:
        """How long ago."""
        return moment(operation.requested_at)

    @admin.display(description="Took")
    def took(self, operation: Operation) -> str:
        """From its start to its end, or until now."""
        return span(_length(operation, timezone.now())) or "–"


@dataclass(frozen=True, slots=True)
class StepLine:
    """A step as the page shows it."""

    step: OperationStep
    tone: Tone
    took: str
    lines: list[str]

    @property
    def is_open(self) -> bool:
        """Whether its output is of interest without being asked for."""
        return self.step.state in (OperationStep.State.RUNNING, OperationStep.State.FAILED)


def _as_of_now(pk: uuid.UUID, request: HttpRequest) -> dict[str, Any]:
    """What the operation's page shows, as of now."""
    rows = Operation.objects.select_related("instance__client", "instance__server")
    operation = get_object_or_404(rows.prefetch_related("steps"), pk=pk)
    now = timezone.now()
    lines = [_line(step, now) for step in operation.steps.all()]
    steps = [each for each in lines if not each.step.takes_back and not _is_left_out(each.step)]
    back = [each for each in lines if each.step.takes_back]
    at_work = back or steps
    done = sum(each.step.state == OperationStep.State.DONE for each in at_work)
    return {
        "operation": operation,
        "title": operation.titled(operation.instance.name),
        "badge": operation_state(operation),
        "steps": steps,
        "back": back,
        "at_work": at_work,
        "done": done,
        "percent": round(100 * done / len(at_work)) if at_work else 0,
        "took": span(_length(operation, now)),
        "usual": span(usual_duration(operation)),
        "may_cancel": _may_cancel(operation, request),
    }


def _may_cancel(operation: Operation, request: HttpRequest) -> bool:
    return (
        operation.is_active
        and operation.kind != Operation.Kind.DELETE
        and operation.cancel_requested_at is None
        and not operation.undoing
        and request.user.has_perm(CANCEL)
    )


def _is_left_out(step: OperationStep) -> bool:
    """Whether the operation never comes to it, being taken back."""
    return bool(step.operation.undoing) and step.state == OperationStep.State.PENDING


def _line(step: OperationStep, now: datetime) -> StepLine:
    took = (step.finished_at or now) - step.started_at if step.started_at else None
    return StepLine(step, STEP[step.state], span(took), step.output.splitlines())


def _length(operation: Operation, now: datetime) -> timedelta | None:
    if operation.started_at is None:
        return None
    return (operation.finished_at or now) - operation.started_at
