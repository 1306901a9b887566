"""The seller, clients' billing details, and whether their VAT numbers are confirmed."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any, TypedDict

from django.db import transaction

from billing.countries import CODES
from billing.documents.checks import is_iban
from billing.models import BillingProfile, CreditEntry, Invoice, Seller
from billing.services import vat, vat_numbers
from tenants.errors import Refused
from tenants.models import Client
from tenants.services import audit
from tenants.services.actors import Actor
from tenants.services.validation import refuse_invalid

_State = BillingProfile.VatState
# XML has no place for most of them, and an address on an invoice for none.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# What clients enter themselves; by which rules they are billed is agreed with finance.
OWN = (
    *("name", "street", "more", "postcode", "city", "country"),
    *("vat_number", "email", "reference"),
)


class AddressFields(TypedDict, total=False):
    """Where somebody is."""

    name: str
    street: str
    more: str
    postcode: str
    city: str
    country: str
    vat_number: str
    email: str


class ProfileFields(AddressFields, total=False):
    """A client's billing details."""

    currency: str
    interval: str
    anchor: str
    reference: str


class SellerFields(AddressFields, total=False):
    """The seller, and by which rules it bills."""

    tax_number: str
    registration: str
    contact: str
    phone: str
    iban: str
    bic: str
    bills_from: date
    payment_days: int
    timezone: str
    grace_hours: int
    charges_suspended: bool
    bears_model_costs: bool
    mails_e_invoices: bool
    invoice_series: str
    credit_series: str


@transaction.atomic
def set_seller(*, actor: Actor, fields: SellerFields) -> Seller:
    """Say who sends invoices. ``Refused`` with the field where a value is bad."""
    known = Seller.objects.select_for_update().first()
    seller = known or Seller()
    before = _told(seller, fields) if known else {}
    _set(seller, fields)
    refuse_invalid(seller)
    if not is_iban(seller.iban):
        raise Refused(f"“{seller.iban}” is not an IBAN: its check digits don't fit.", field="iban")
    seller.vat_number = vat_numbers.clean(seller.vat_number, country=seller.country)
    if _told(seller, fields) == before:
        return seller
    seller.save()
    after = _told(seller, fields)
    audit.record(action="seller.set", actor=actor, obj=seller, before=before, after=after)
    return seller


@transaction.atomic
def set_profile(*, client: Client, actor: Actor, fields: ProfileFields) -> BillingProfile:
    """Say where a client's invoices go. ``Refused`` with the field where a value is bad.

    The currency stays once there is an invoice or credit in it. A VAT number of another EU country
    has to be confirmed before an invoice without VAT goes out, and is of the address's country:
    whoever moves to another one enters that country's number, or none. What was issued stays as it
    is; drafts and all that comes later have the new details.
    """
    Client.objects.select_for_update(no_key=True).get(pk=client.pk)
    known = BillingProfile.objects.select_for_update().filter(client=client).first()
    profile = known or BillingProfile(client=client)
    before = _told(profile, fields) if known else {}
    number = profile.vat_number, profile.country
    _set(profile, fields)
    profile.currency = profile.currency.strip().upper()
    profile.country = profile.country.upper()
    _refuse_unknown_country(profile.country)
    if known and before.get("currency", profile.currency) != profile.currency:
        _refuse_second_currency(client)
    profile.vat_number = vat_numbers.clean(profile.vat_number, country=profile.country)
    if (profile.vat_number, profile.country) != number:
        _ask_again(profile)
    refuse_invalid(profile)
    if _told(profile, fields) == before:
        return profile
    profile.save()
    after = _told(profile, fields)
    audit.record(
        action="billing.details_set",
        actor=actor,
        client=client,
        obj=profile,
        before=before,
        after=after,
    )
    return profile


@transaction.atomic
def record_answer(
    *,
    profile: BillingProfile,
    number: str,
    is_valid: bool,
    evidence: dict[str, Any],
    actor: Actor,
    now: datetime,
) -> bool:
    """Note what the register says of that number; False where the client has another one by now."""
    locked = BillingProfile.objects.select_for_update().get(pk=profile.pk)
    if locked.vat_number != number or not number:
        return False
    locked.vat_state = _State.VALID if is_valid else _State.INVALID
    locked.vat_asked_at = now
    locked.vat_evidence = evidence
    locked.save(update_fields=["vat_state", "vat_asked_at", "vat_evidence"])
    audit.record(
        action="billing.vat_number_checked",
        actor=actor,
        client=locked.client,
        obj=locked,
        after={"vat_number": number, "is_valid": is_valid},
    )
    return True


def _ask_again(profile: BillingProfile) -> None:
    """Nothing is known of the number yet. Outside the EU nothing hangs on it."""
    profile.vat_asked_at, profile.vat_evidence = None, {}
    if not profile.vat_number:
        profile.vat_state = _State.NONE
    else:
        profile.vat_state = _State.PENDING if profile.country in vat.EU else _State.UNCHECKED


def _refuse_unknown_country(country: str) -> None:
    if country not in CODES:
        raise Refused(
            f"“{country}” is no country: write its two letters, such as DE.", field="country"
        )


def _refuse_second_currency(client: Client) -> None:
    has_any = (
        Invoice.objects.filter(client=client).exists()
        or CreditEntry.objects.filter(client=client).exists()
    )
    if has_any:
        raise Refused(
            "The client has invoices or credit already, and one currency for good.",
            field="currency",
        )


def _set(obj: BillingProfile | Seller, fields: ProfileFields | SellerFields) -> None:
    for name, value in fields.items():
        if isinstance(value, str) and _UNPRINTABLE.search(value.strip()):
            raise Refused("Write it in one line, without control characters.", field=name)
        setattr(obj, name, value.strip() if isinstance(value, str) else value)


def _told(obj: BillingProfile | Seller, fields: ProfileFields | SellerFields) -> dict[str, object]:
    values = {name: getattr(obj, name) for name in fields}
    return {
        name: value if isinstance(value, str | int | bool) else str(value)
        for name, value in values.items()
    }
