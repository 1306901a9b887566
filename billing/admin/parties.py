"""The seller and clients' billing details in the admin."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from billing.models import BillingProfile, Seller
from billing.services import profiles
from tenants.admin.base import ServiceAdmin
from tenants.display import Tone, badge, moment
from tenants.services.actors import Actor

ADDRESS = (
    *("name", "street", "more", "postcode", "city", "country"),
    *("vat_number", "email"),
)
RULES = (
    *("bills_from", "payment_days", "grace_hours", "charges_suspended"),
    *("bears_model_costs", "mails_e_invoices"),
    *("invoice_series", "credit_series", "timezone"),
)
REGISTERS = ("tax_number", "registration", "contact", "phone", "iban", "bic")
TERMS = ("currency", "interval", "anchor", "reference")
_TONES: dict[str, Tone] = {
    "none": "idle",
    "pending": "warn",
    "valid": "ok",
    "invalid": "bad",
    "unchecked": "idle",
}


@admin.register(Seller)
class SellerAdmin(ServiceAdmin[Seller]):
    """Who sends invoices, and by which rules. Until there is one, nothing is billed."""

    list_display = ("name", "country", "vat_number", "bills_from", "payment_days", "grace_hours")
    fieldsets = (
        (None, {"fields": ADDRESS}),
        ("On invoices", {"fields": REGISTERS}),
        ("Rules", {"fields": RULES}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only the first."""
        return super().has_add_permission(request) and not Seller.objects.exists()

    def create(self, *, form: forms.ModelForm[Seller], actor: Actor) -> Seller:
        """Through the service."""
        return profiles.set_seller(actor=actor, fields=_seller(form))

    def update(self, *, obj: Seller, form: forms.ModelForm[Seller], actor: Actor) -> None:
        """Through the service."""
        profiles.set_seller(actor=actor, fields=_seller(form))


@admin.register(BillingProfile)
class BillingProfileAdmin(ServiceAdmin[BillingProfile]):
    """Where clients' invoices go, in which currency. VAT numbers are confirmed by themselves."""

    list_display = ("client", "name", "country", "currency", "interval", "vat_number", "confirmed")
    list_select_related = ("client",)
    list_filter = (("vat_state", ChoicesDropdownFilter), "currency", "country")
    search_fields = ("client__name", "name", "vat_number")
    autocomplete_fields = ("client",)
    fieldsets = (
        (None, {"fields": ("client", *ADDRESS)}),
        ("Terms", {"fields": TERMS}),
        ("VAT number", {"fields": ("confirmed", "asked")}),
    )

    def get_readonly_fields(
        self, request: HttpRequest, obj: BillingProfile | None = None
    ) -> tuple[str, ...]:
        """They stay their client's."""
        return ("client", "confirmed", "asked") if obj else ("confirmed", "asked")

    def create(self, *, form: forms.ModelForm[BillingProfile], actor: Actor) -> BillingProfile:
        """Through the service."""
        client = form.cleaned_data["client"]
        return profiles.set_profile(client=client, actor=actor, fields=_profile(form))

    def update(
        self, *, obj: BillingProfile, form: forms.ModelForm[BillingProfile], actor: Actor
    ) -> None:
        """Through the service."""
        profiles.set_profile(client=obj.client, actor=actor, fields=_profile(form))

    @admin.display(description="VAT number is", ordering="vat_state")
    def confirmed(self, profile: BillingProfile) -> SafeString:
        """What the register said of the number."""
        return badge(profile.get_vat_state_display(), _TONES[profile.vat_state])

    @admin.display(description="Asked")
    def asked(self, profile: BillingProfile) -> str:
        """When the register was asked last."""
        return moment(profile.vat_asked_at)


def _seller(form: forms.ModelForm[Seller]) -> profiles.SellerFields:
    names = (*ADDRESS, *REGISTERS, *RULES)
    values: dict[str, Any] = {name: form.cleaned_data[name] for name in names}
    return cast("profiles.SellerFields", values)


def _profile(form: forms.ModelForm[BillingProfile]) -> profiles.ProfileFields:
    values: dict[str, Any] = {name: form.cleaned_data[name] for name in (*ADDRESS, *TERMS)}
    return cast("profiles.ProfileFields", values)
