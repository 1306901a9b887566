"""What servers cost, in the admin."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import RelatedDropdownFilter

from billing.currencies import said
from billing.models import ServerCost
from billing.services.reporting import server_costs
from tenants.admin.base import ServiceAdmin
from tenants.services.actors import Actor

FIELDS = (
    *("server", "valid_from", "currency", "amount"),
    *("cpu_weight", "memory_weight", "disk_weight"),
)


@admin.register(ServerCost)
class ServerCostAdmin(ServiceAdmin[ServerCost]):
    """From which day on a server costs how much a month, and what for."""

    list_display = ("server", "valid_from", "a_month", "weights")
    list_select_related = ("server",)
    list_filter = (("server", RelatedDropdownFilter), "currency")
    search_fields = ("server__name",)
    date_hierarchy = "valid_from"
    fields = FIELDS

    def get_readonly_fields(
        self, request: HttpRequest, obj: ServerCost | None = None
    ) -> tuple[str, ...]:
        """A cost stays its server's."""
        return ("server",) if obj else ()

    def create(self, *, form: forms.ModelForm[ServerCost], actor: Actor) -> ServerCost:
        """Through the service."""
        return server_costs.set_cost(actor=actor, fields=_fields(form))

    def update(self, *, obj: ServerCost, form: forms.ModelForm[ServerCost], actor: Actor) -> None:
        """Through the service."""
        row = ServerCost.objects.get(pk=obj.pk)
        server_costs.set_cost(actor=actor, fields=_fields(form), row=row)

    @admin.display(description="A month", ordering="amount")
    def a_month(self, cost: ServerCost) -> str:
        """With its currency."""
        return said(cost.amount, cost.currency)

    @admin.display(description="CPU / memory / disk")
    def weights(self, cost: ServerCost) -> str:
        """What it is for."""
        return f"{cost.cpu_weight} / {cost.memory_weight} / {cost.disk_weight} %"


def _fields(form: forms.ModelForm[ServerCost]) -> server_costs.CostFields:
    data = form.cleaned_data
    values: dict[str, Any] = {name: data[name] for name in FIELDS if name in data}
    return cast("server_costs.CostFields", values)
