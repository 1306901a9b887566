"""How the seller's books call things, in the admin."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from billing.models import Bookkeeping, DebtorAccount, VatAccount
from billing.services.delivering import bookkeeping
from tenants.admin.base import ServiceAdmin
from tenants.services.actors import Actor

DATEV = ("consultant", "client", "year_begins", "account_digits", "chart", "debtor")
OTHERS = ("xero_account", "quickbooks_item")
VAT = ("category", "rate", "account", "tax_key", "xero_tax_type", "quickbooks_tax_code")


@admin.register(Bookkeeping)
class BookkeepingAdmin(ServiceAdmin[Bookkeeping]):
    """One row. A program that something is missing for is not exported to, which is said."""

    list_display = ("__str__", "consultant", "client", "debtor", *OTHERS)
    fieldsets = (
        ("DATEV", {"fields": DATEV}),
        ("Xero", {"fields": ("xero_account",)}),
        ("QuickBooks Online", {"fields": ("quickbooks_item",)}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only the first."""
        return super().has_add_permission(request) and not Bookkeeping.objects.exists()

    def create(self, *, form: forms.ModelForm[Bookkeeping], actor: Actor) -> Bookkeeping:
        """Through the service."""
        return bookkeeping.set_books(actor=actor, fields=_books(form))

    def update(self, *, obj: Bookkeeping, form: forms.ModelForm[Bookkeeping], actor: Actor) -> None:
        """Through the service."""
        bookkeeping.set_books(actor=actor, fields=_books(form))


@admin.register(VatAccount)
class VatAccountAdmin(ServiceAdmin[VatAccount]):
    """What revenue of each VAT is booked on, and what its tax is called in each program."""

    list_display = VAT
    list_filter = (("category", ChoicesDropdownFilter),)
    fieldsets = (
        (None, {"fields": ("category", "rate")}),
        ("DATEV", {"fields": ("account", "tax_key")}),
        ("Xero", {"fields": ("xero_tax_type",)}),
        ("QuickBooks Online", {"fields": ("quickbooks_tax_code",)}),
    )

    def create(self, *, form: forms.ModelForm[VatAccount], actor: Actor) -> VatAccount:
        """Through the service."""
        return bookkeeping.set_vat_account(actor=actor, fields=_vat(form))

    def update(self, *, obj: VatAccount, form: forms.ModelForm[VatAccount], actor: Actor) -> None:
        """Through the service."""
        row = VatAccount.objects.get(pk=obj.pk)
        bookkeeping.set_vat_account(actor=actor, fields=_vat(form), row=row)


@admin.register(DebtorAccount)
class DebtorAccountAdmin(ServiceAdmin[DebtorAccount]):
    """Clients' own accounts in DATEV; all others share the one of the bookkeeping."""

    list_display = ("client", "account")
    list_select_related = ("client",)
    search_fields = ("client__name", "client__slug", "account")
    fields = ("client", "account")
    autocomplete_fields = ("client",)

    def get_readonly_fields(
        self, request: HttpRequest, obj: DebtorAccount | None = None
    ) -> tuple[str, ...]:
        """An account stays its client's."""
        return ("client",) if obj else ()

    def create(self, *, form: forms.ModelForm[DebtorAccount], actor: Actor) -> DebtorAccount:
        """Through the service."""
        data = form.cleaned_data
        return bookkeeping.set_debtor(client=data["client"], account=data["account"], actor=actor)

    def update(
        self, *, obj: DebtorAccount, form: forms.ModelForm[DebtorAccount], actor: Actor
    ) -> None:
        """Through the service."""
        bookkeeping.set_debtor(client=obj.client, account=form.cleaned_data["account"], actor=actor)


def _books(form: forms.ModelForm[Bookkeeping]) -> bookkeeping.BookFields:
    values: dict[str, Any] = {name: form.cleaned_data[name] for name in (*DATEV, *OTHERS)}
    return cast("bookkeeping.BookFields", values)


def _vat(form: forms.ModelForm[VatAccount]) -> bookkeeping.VatFields:
    values: dict[str, Any] = {name: form.cleaned_data[name] for name in VAT}
    return cast("bookkeeping.VatFields", values)
