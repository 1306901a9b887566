"""Rates in the admin."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

from django import forms
from django.contrib import admin

from billing.models import Rate
from billing.services.metering import rates
from tenants.admin.base import ServiceAdmin
from tenants.display import number
from tenants.services.actors import Actor

FIELDS = ("model", "starts_on", "currency", "input", "output", "cached")


@admin.register(Rate)
class RateAdmin(ServiceAdmin[Rate]):
    """What models cost from when on. A new or changed rate prices what was used before anew."""

    list_display = ("model", "starts_on", "of_input", "of_output", "of_cached", "currency")
    search_fields = ("model",)
    date_hierarchy = "starts_on"
    fields = FIELDS

    def create(self, *, form: forms.ModelForm[Rate], actor: Actor) -> Rate:
        """Through the service."""
        return rates.create(actor=actor, fields=_fields(form))

    def update(self, *, obj: Rate, form: forms.ModelForm[Rate], actor: Actor) -> None:
        """Through the service."""
        rates.update(rate=obj, actor=actor, fields=_fields(form))

    @admin.display(description="Input", ordering="input")
    def of_input(self, rate: Rate) -> str:
        """A million tokens."""
        return number(rate.input)

    @admin.display(description="Output", ordering="output")
    def of_output(self, rate: Rate) -> str:
        """A million tokens."""
        return number(rate.output)

    @admin.display(description="Cached input", ordering="cached")
    def of_cached(self, rate: Rate) -> str:
        """A million tokens."""
        price: Decimal | None = rate.cached
        return "as input" if price is None else number(price)


def _fields(form: forms.ModelForm[Rate]) -> rates.RateFields:
    values: dict[str, Any] = {name: form.cleaned_data[name] for name in FIELDS}
    return cast("rates.RateFields", values)
