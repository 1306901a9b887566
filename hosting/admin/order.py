"""The form that orders an instance for a client."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget

from hosting import hooks
from hosting.catalog.builder import availability
from hosting.models import Instance, Plan
from hosting.selectors import catalog
from tenants.admin.base import ModelForm
from tenants.models import Client


class OrderForm(ModelForm[Instance]):
    """Client, app, plan, name. Everything else is the service's to decide."""

    app = forms.ChoiceField(widget=UnfoldAdminSelectWidget())
    sent_as = forms.CharField(widget=forms.HiddenInput(), required=False)

    class Meta:
        model = Instance
        fields = ("client", "app", "plan", "name")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices, missing = _apps()
        self.fields["app"] = forms.ChoiceField(
            choices=[("", "Select an app"), *choices],
            widget=UnfoldAdminSelectWidget(),
            help_text=" ".join(missing),
        )
        # Sent with the form, so that a second click finds the first one's order.
        self.fields["sent_as"].initial = uuid.uuid4().hex
        _narrow(self.fields["client"], Client.objects.filter(is_active=True))
        _narrow(self.fields["plan"], Plan.objects.filter(is_active=True))
        # In which currency and how often is for the client, who is chosen here too.
        plans = list(Plan.objects.filter(is_active=True))
        price_plans(self.fields["plan"], hooks.plan_prices(plans=plans, now=timezone.now()))
        self.fields[
            "name"
        ].help_text = "Part of the instance's address: lower-case letters, digits and hyphens."


def _apps() -> tuple[list[tuple[str, str]], list[str]]:
    """What can be ordered, and a sentence for each app that can't be yet."""
    choices, missing = [], []
    for slug, app in catalog.apps().items():
        reason = availability(app, settings.BERTH_APP_SETTINGS)
        if reason:
            missing.append(f"{reason.removesuffix('.')}.")
        else:
            choices.append((slug, f"{app.title} {app.newest_version}"))
    return choices, missing


def price_plans(field: forms.Field, words: Mapping[uuid.UUID, str]) -> None:
    """Say with each plan that can be chosen what it costs."""
    if isinstance(field, forms.ModelChoiceField):
        field.label_from_instance = lambda obj: _with_words(obj, words.get(obj.pk, ""))  # type: ignore[method-assign]


def _with_words(plan: Any, words: str) -> str:
    return f"{plan}: {words}" if words else str(plan)


def _narrow(field: forms.Field, rows: Any) -> None:
    if isinstance(field, forms.ModelChoiceField):
        field.queryset = rows
