"""Plans in the admin."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import BooleanRadioFilter

from hosting.models import Instance, Plan
from hosting.services import plans
from hosting.services.plans import KEPT, LIMITS, USAGE
from tenants.admin.base import ServiceAdmin
from tenants.display import mebibytes, number
from tenants.services.actors import Actor

FIELDS = (
    "name",
    "description",
    "cpus",
    "memory_mb",
    "disk_gb",
    "processes",
    *KEPT,
    "sla_tiers",
    *USAGE,
    "is_active",
    "position",
)


@admin.register(Plan)
class PlanAdmin(ServiceAdmin[Plan]):
    """What an instance may use. A plan that is in use keeps its limits."""

    list_display = ("name", "slug", "cpu", "memory", "disk", "processes", "in_use", "is_active")
    list_filter = (("is_active", BooleanRadioFilter),)
    search_fields = ("name", "slug", "description")
    fieldsets = (
        (None, {"fields": ("name", "slug", "description")}),
        ("Limits", {"fields": LIMITS}),
        ("Backups kept", {"fields": KEPT}),
        ("Availability", {"fields": ("sla_tiers",)}),
        ("Included usage", {"fields": USAGE}),
        ("Offer", {"fields": ("is_active", "position")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Plan]:
        """With the number of instances on each."""
        held = ~Q(instances__state=Instance.State.DELETED)
        return super().get_queryset(request).annotate(in_use=Count("instances", filter=held))

    def get_readonly_fields(self, request: HttpRequest, obj: Plan | None = None) -> tuple[str, ...]:
        """The short name is for good."""
        return ("slug",) if obj else ()

    def create(self, *, form: forms.ModelForm[Plan], actor: Actor) -> Plan:
        """Through the service."""
        return plans.create(slug=form.cleaned_data["slug"], actor=actor, **_fields(form))

    def update(self, *, obj: Plan, form: forms.ModelForm[Plan], actor: Actor) -> None:
        """Through the service."""
        plans.update(plan=obj, actor=actor, **_fields(form))

    @admin.display(description="CPUs", ordering="cpus")
    def cpu(self, plan: Plan) -> str:
        """CPUs without zeros that say nothing."""
        return number(plan.cpus)

    @admin.display(description="Memory", ordering="memory_mb")
    def memory(self, plan: Plan) -> str:
        """Memory with its unit."""
        return mebibytes(plan.memory_mb)

    @admin.display(description="Disk", ordering="disk_gb")
    def disk(self, plan: Plan) -> str:
        """Disk with its unit."""
        return number(plan.disk_gb, "GiB")

    @admin.display(description="Instances", ordering="in_use")
    def in_use(self, plan: Plan) -> int:
        """How many instances have it."""
        return int(plan.in_use)  # type: ignore[attr-defined]  # annotated above


def _fields(form: forms.ModelForm[Plan]) -> plans.PlanFields:
    values: dict[str, Any] = {name: form.cleaned_data[name] for name in FIELDS}
    values["sla_tiers"] = values["sla_tiers"] or []
    return cast("plans.PlanFields", values)
