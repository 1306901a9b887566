"""Payments and credit in the admin."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db.models import Count, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from billing.admin.prices import OnceAdmin
from billing.currencies import said
from billing.models import CreditEntry, Payment
from billing.services.paying import settlements
from tenants.services.actors import Actor


@admin.register(Payment)
class PaymentAdmin(OnceAdmin):
    """What came in. One that was recorded stays."""

    list_display = ("invoice", "client", "money", "method", "received_on", "reference")
    list_select_related = ("invoice__client",)
    list_filter = (("method", ChoicesDropdownFilter), "currency")
    search_fields = ("reference", "invoice__client__name")
    date_hierarchy = "received_on"
    list_before_template = "admin/billing/payment_totals.html"
    autocomplete_fields = ("invoice",)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With the totals of what the filters leave."""
        response: Any = super().changelist_view(request, extra_context)
        shown = getattr(response, "context_data", None) or {}
        if "cl" in shown:
            shown["totals"] = _totals(shown["cl"].queryset)
        return cast("HttpResponse", response)

    def get_fields(self, request: HttpRequest, obj: Payment | None = None) -> tuple[str, ...]:
        """What is said of one to be recorded, and what is known of one that was."""
        said = ("invoice", "amount", "currency", "received_on", "reference")
        return (*said, "method", "recorded_at") if obj else said

    def create(self, *, form: forms.ModelForm[Payment], actor: Actor) -> Payment:
        """Through the service."""
        data = form.cleaned_data
        return settlements.record_payment(
            invoice=data["invoice"],
            amount=data["amount"],
            currency=data["currency"],
            received_on=data["received_on"],
            reference=data["reference"],
            actor=actor,
            now=timezone.now(),
        )

    @admin.display(description="Client", ordering="invoice__client")
    def client(self, payment: Payment) -> str:
        """Who paid."""
        return str(payment.invoice.client)

    @admin.display(description="Amount", ordering="amount")
    def money(self, payment: Payment) -> str:
        """With its currency."""
        return said(payment.amount, payment.currency)


def _totals(payments: QuerySet[Payment]) -> list[dict[str, str]]:
    """By currency: how many, what came in of money, and what was paid from credit. One query."""
    by_credit = Q(method=Payment.Method.CREDIT)
    rows = payments.order_by().values("currency")
    sums = rows.annotate(
        many=Count("pk"),
        came=Sum("amount", filter=~by_credit, default=Decimal(0)),
        used=Sum("amount", filter=by_credit, default=Decimal(0)),
    )
    return [
        {
            "many": f"{row['many']:,}",
            "came": said(row["came"], row["currency"]),
            "used": said(row["used"], row["currency"]) if row["used"] else "",
        }
        for row in sums.order_by("currency")
    ]


@admin.register(CreditEntry)
class CreditEntryAdmin(OnceAdmin):
    """Clients' credit, movement by movement; adding one grants credit."""

    list_display = ("client", "kind", "money", "reason", "invoice", "at")
    list_select_related = ("client", "invoice")
    list_filter = (("kind", ChoicesDropdownFilter), "currency")
    search_fields = ("client__name", "reason")
    autocomplete_fields = ("client",)

    def get_fields(self, request: HttpRequest, obj: CreditEntry | None = None) -> tuple[str, ...]:
        """Who gets how much and why; the currency is the client's."""
        said = ("client", "amount", "reason")
        return ("kind", *said, "currency", "invoice", "at") if obj else said

    def create(self, *, form: forms.ModelForm[CreditEntry], actor: Actor) -> CreditEntry:
        """Through the service."""
        data = form.cleaned_data
        return settlements.grant_credit(
            client=data["client"],
            amount=data["amount"],
            reason=data["reason"],
            actor=actor,
            now=timezone.now(),
        )

    @admin.display(description="Amount", ordering="amount")
    def money(self, entry: CreditEntry) -> str:
        """With its currency."""
        return said(entry.amount, entry.currency)
