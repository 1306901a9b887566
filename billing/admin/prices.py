"""Prices, coupons and discounts in the admin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter

from billing.admin.charges import ChargesField
from billing.currencies import said
from billing.models import Coupon, Discount, Price
from billing.models.discount import Kind
from billing.services import charge_words, discounts, prices, pricing
from tenants.admin.base import ModelForm, ServiceAdmin
from tenants.display import number
from tenants.services.actors import Actor

FIELDS = (
    *("plan", "currency", "interval", "valid_from", "amount"),
    *("setup_fee", "trial_days", "charges"),
)
SHOWN = ("valid_from", "setup", "trial_days", "usage")
COUPON = ("code", "kind", "value", "currency", "periods", "valid_until")


class OnceAdmin(ServiceAdmin[Any]):
    """What is made and then only looked at."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: it stays as it was made."""
        return False


class PriceForm(ModelForm[Price]):
    """A new version."""

    charges = ChargesField(
        label="What usage costs",
        required=False,
        help_text="A meter without a row costs nothing. Tiers count what is above the included"
        " usage: “10000: 0.20” is the price up to the 10,000th unit, the last line “more: 0.10”"
        " that of all others. Where one unit costs less than 0.0001, price 1,000 or 1,000,000.",
    )

    class Meta:
        model = Price
        fields = FIELDS


@admin.register(Price)
class PriceAdmin(OnceAdmin):
    """Versions of prices. One never changes: the next version begins after tomorrow or later."""

    list_display = ("plan", "price", "interval", "valid_from", "setup", "trial_days", "meters")
    list_select_related = ("plan",)
    list_filter = (
        ("plan", RelatedDropdownFilter),
        ("interval", ChoicesDropdownFilter),
        "currency",
    )
    form = PriceForm

    def get_fields(self, request: HttpRequest, obj: Price | None = None) -> tuple[str, ...]:
        """What is said of one to be made, and what there is of one that was."""
        return ("plan", "price", "interval", *SHOWN) if obj else FIELDS

    def create(self, *, form: forms.ModelForm[Price], actor: Actor) -> Price:
        """Through the service."""
        values: dict[str, Any] = {name: form.cleaned_data[name] for name in FIELDS}
        return prices.create(
            actor=actor, fields=cast("prices.PriceFields", values), now=timezone.now()
        )

    @admin.display(description="Price", ordering="amount")
    def price(self, price: Price) -> str:
        """With its currency."""
        return said(price.amount, price.currency)

    @admin.display(description="Setup", ordering="setup_fee")
    def setup(self, price: Price) -> str:
        """With its currency, where there is one."""
        return said(price.setup_fee, price.currency) if price.setup_fee else "–"

    @admin.display(description="Usage")
    def usage(self, price: Price) -> SafeString | str:
        """What each meter costs, as its clients read it."""
        rows = [
            (words,)
            for each in price.charges
            for words in _in_words(pricing.charge_of(each), str(each["meter"]), price)
        ]
        return format_html_join("", "<p>{}</p>", rows) if rows else "It costs nothing."

    @admin.display(description="Usage charged")
    def meters(self, price: Price) -> str:
        """The meters that have a charge."""
        return ", ".join(str(each["meter"]) for each in price.charges) or "–"


@admin.register(Coupon)
class CouponAdmin(OnceAdmin):
    """Codes for discounts."""

    list_display = ("code", "takes_off", "runs", "valid_until")
    list_filter = (("kind", ChoicesDropdownFilter),)
    search_fields = ("code",)
    fields = COUPON

    def get_fields(self, request: HttpRequest, obj: Coupon | None = None) -> tuple[str, ...]:
        """What is said of one to be made, and what there is of one that was."""
        return self.list_display if obj else COUPON

    def create(self, *, form: forms.ModelForm[Coupon], actor: Actor) -> Coupon:
        """Through the service."""
        values: dict[str, Any] = {name: form.cleaned_data[name] for name in COUPON}
        return discounts.create_coupon(actor=actor, fields=cast("discounts.CouponFields", values))

    @admin.display(description="Takes off", ordering="value")
    def takes_off(self, coupon: Coupon) -> str:
        """A part, or an amount with its currency."""
        if coupon.kind == Kind.PERCENT:
            return number(coupon.value, "%")
        return said(coupon.value, coupon.currency)

    @admin.display(description="For", ordering="periods")
    def runs(self, coupon: Coupon) -> str:
        """How many periods."""
        if coupon.periods is None:
            return "All periods"
        return f"{coupon.periods} period{'' if coupon.periods == 1 else 's'}"


@admin.register(Discount)
class DiscountAdmin(OnceAdmin):
    """Which subscription has which coupon, and for how many periods still."""

    list_display = ("subscription", "coupon", "first_day", "periods_left")
    list_select_related = ("subscription__instance__client", "coupon")
    search_fields = ("coupon__code", "subscription__client__name")
    autocomplete_fields = ("subscription", "coupon")

    def get_fields(self, request: HttpRequest, obj: Discount | None = None) -> tuple[str, ...]:
        """What is chosen; the rest follows from the coupon."""
        chosen = ("subscription", "coupon")
        return (*chosen, "first_day", "periods_left") if obj else chosen

    def create(self, *, form: forms.ModelForm[Discount], actor: Actor) -> Discount:
        """Through the service."""
        return discounts.redeem(
            subscription=form.cleaned_data["subscription"],
            code=form.cleaned_data["coupon"].code,
            actor=actor,
            on=timezone.now().date(),
        )


def _in_words(charge: pricing.Charge, meter: str, price: Price) -> Iterator[str]:
    said = charge_words.sentence(
        charge, unit=meter, currency=price.currency, interval=price.interval
    )
    tiers = charge_words.tiers(charge, currency=price.currency)
    yield f"{meter}: {said}"
    yield from (f"{tier.units}: {tier.price}" for tier in tiers)
