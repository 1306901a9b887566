"""Budgets of plans in the admin."""

from __future__ import annotations

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from billing.models import PlanBudget
from billing.services.metering import budgets
from tenants.admin.base import ServiceAdmin
from tenants.services.actors import Actor


@admin.register(PlanBudget)
class PlanBudgetAdmin(ServiceAdmin[PlanBudget]):
    """What instances of a plan may spend on language models a month; the plan says what then."""

    list_display = ("plan", "amount", "currency")
    list_select_related = ("plan",)
    fields = ("plan", "amount", "currency")

    def get_readonly_fields(
        self, request: HttpRequest, obj: PlanBudget | None = None
    ) -> tuple[str, ...]:
        """A budget stays its plan's."""
        return ("plan",) if obj else ()

    def create(self, *, form: forms.ModelForm[PlanBudget], actor: Actor) -> PlanBudget:
        """Through the service."""
        data = form.cleaned_data
        return budgets.set_budget(
            plan=data["plan"], amount=data["amount"], currency=data["currency"], actor=actor
        )

    def update(self, *, obj: PlanBudget, form: forms.ModelForm[PlanBudget], actor: Actor) -> None:
        """Through the service."""
        data = form.cleaned_data
        budgets.set_budget(
            plan=obj.plan, amount=data["amount"], currency=data["currency"], actor=actor
        )
