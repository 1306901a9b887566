"""Where a client's invoices go: its own people look at that, and change it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from billing.models import BillingProfile
from billing.services import profiles
from billing.services.profiles import ProfileFields
from hosting.views.states import Status
from tenants.errors import Refused
from tenants.permissions import Permission
from tenants.views.access import ClientRequest, client_view, render_page

_State = BillingProfile.VatState
_VAT = {
    _State.PENDING: Status("Not confirmed yet", "progress", "pending"),
    _State.VALID: Status("Confirmed", "running", "done"),
    _State.INVALID: Status("Not valid", "broken", "broken"),
    _State.UNCHECKED: Status("Not looked up", "stopped", "cancelled"),
}
# What helps the browser to fill it in, its label, and a hint.
_FIELDS = {
    "name": ("organization", "Legal name", "As it stands on invoices."),
    "street": ("address-line1", "Street", ""),
    "more": ("address-line2", "Second line", ""),
    "postcode": ("postal-code", "Postcode", ""),
    "city": ("address-level2", "City", ""),
    "country": ("country", "Country", "Its two letters, such as DE."),
    "vat_number": ("off", "VAT number", "One of that country, such as DE136695976, or empty."),
    "email": (
        "email",
        "Mail address for invoices",
        "Where it is empty, your owners and billing members get them.",
    ),
    "reference": (
        "off",
        "Order number or reference",
        "It stands on invoices, and is the buyer's reference of e-invoices that Peppol asks for.",
    ),
}
_OPTIONAL = {"more", "vat_number", "email", "reference"}


@dataclass(frozen=True, slots=True)
class Field:
    """An input with what is in it, and what is wrong with that."""

    name: str
    label: str
    autocomplete: str
    hint: str
    value: str
    most: int | None
    error: str

    @property
    def is_required(self) -> bool:
        """Whether an invoice can't do without it."""
        return self.name not in _OPTIONAL


@require_safe
@client_view(Permission.VIEW_BILLING)
def page(request: ClientRequest) -> HttpResponse:
    """The details as they are."""
    profile = _profile(request)
    kept = {name: getattr(profile, name, "") for name in profiles.OWN}
    return _show(request, profile, kept)


@require_POST
@client_view(Permission.MANAGE_BILLING)
def change(request: ClientRequest) -> HttpResponse:
    """Have the details changed; what was typed stays where something is wrong with it."""
    typed = {name: request.POST.get(name, "").strip() for name in profiles.OWN}
    fields = cast("ProfileFields", typed)
    try:
        profiles.set_profile(client=request.client, actor=request.actor, fields=fields)
    except Refused as refusal:
        return _show(request, _profile(request), typed, refusal=refusal, status=422)
    messages.success(request, "Saved. The next invoices go there.")
    return redirect("billing_details", client=request.client.slug)


def _show(
    request: ClientRequest,
    profile: BillingProfile | None,
    values: Mapping[str, str],
    *,
    refusal: Refused | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "section": "invoices",
        "profile": profile,
        "fields": list(_fields(values, refusal)),
        "error": refusal.message if refusal and refusal.field not in _FIELDS else "",
        "vat": _VAT.get(_State(profile.vat_state)) if profile else None,
        "may_change": request.may(Permission.MANAGE_BILLING),
    }
    return render_page(request, "billing/details.html", context, status=status)


def _fields(values: Mapping[str, str], refusal: Refused | None) -> Iterator[Field]:
    for name, (autocomplete, label, hint) in _FIELDS.items():
        yield Field(
            name=name,
            label=label,
            autocomplete=autocomplete,
            hint=hint,
            value=values[name],
            most=getattr(BillingProfile._meta.get_field(name), "max_length", None),
            error=refusal.message if refusal and refusal.field == name else "",
        )


def _profile(request: ClientRequest) -> BillingProfile | None:
    return BillingProfile.objects.filter(client=request.client).first()
