"""Dunning in the admin: its rules, whom it leaves alone, and what it did."""

from __future__ import annotations

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextInputWidget

from billing.models import DunningGrace, DunningPolicy, DunningStep, DunningSuspension
from billing.services.paying import dunning, dunning_rules
from tenants.admin.base import ModelForm, ReadOnlyAdmin, ServiceAdmin
from tenants.display import badge, moment
from tenants.services.actors import Actor


class PolicyForm(ModelForm[DunningPolicy]):
    """Days as they are written: 3, 10, 17."""

    reminders = forms.CharField(
        widget=UnfoldAdminTextInputWidget,
        required=False,
        help_text="So many days after the due date, such as 3, 10, 17.",
    )

    class Meta:
        model = DunningPolicy
        fields = ("reminders", "suspend_after", "notice_after")

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        if self.instance.reminders:
            self.initial["reminders"] = ", ".join(str(day) for day in self.instance.reminders)

    def clean_reminders(self) -> list[int]:
        """As numbers."""
        try:
            return list(dunning_rules.parsed(self.cleaned_data["reminders"]))
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


@admin.register(DunningPolicy)
class DunningPolicyAdmin(ServiceAdmin[DunningPolicy]):
    """One row: when an overdue invoice is reminded of, suspended for, and given notice for."""

    form = PolicyForm
    list_display = ("__str__", "days", "suspend_after", "notice_after")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """While there is none."""
        return super().has_add_permission(request) and not DunningPolicy.objects.exists()

    def create(self, *, form: forms.ModelForm[DunningPolicy], actor: Actor) -> DunningPolicy:
        """Through the service."""
        return dunning.set_policy(actor=actor, **form.cleaned_data)

    def update(
        self, *, obj: DunningPolicy, form: forms.ModelForm[DunningPolicy], actor: Actor
    ) -> None:
        """Through the service."""
        dunning.set_policy(actor=actor, **form.cleaned_data)

    @admin.display(description="Reminders")
    def days(self, policy: DunningPolicy) -> str:
        """In one line."""
        return ", ".join(str(day) for day in policy.reminders) or "None"


@admin.register(DunningGrace)
class DunningGraceAdmin(ServiceAdmin[DunningGrace]):
    """Clients that are left alone until a day: what was suspended for an invoice is given back."""

    list_display = ("client", "until", "reason")
    list_select_related = ("client",)
    search_fields = ("client__name", "client__slug", "reason")
    fields = ("client", "until", "reason")
    autocomplete_fields = ("client",)

    def get_readonly_fields(
        self, request: HttpRequest, obj: DunningGrace | None = None
    ) -> tuple[str, ...]:
        """A grace stays its client's."""
        return ("client",) if obj else ()

    def create(self, *, form: forms.ModelForm[DunningGrace], actor: Actor) -> DunningGrace:
        """Through the service."""
        return dunning.grant_grace(actor=actor, now=timezone.now(), **form.cleaned_data)

    def update(
        self, *, obj: DunningGrace, form: forms.ModelForm[DunningGrace], actor: Actor
    ) -> None:
        """Through the service."""
        data = {name: form.cleaned_data[name] for name in ("until", "reason")}
        dunning.grant_grace(client=obj.client, actor=actor, now=timezone.now(), **data)


@admin.register(DunningStep)
class DunningStepAdmin(ReadOnlyAdmin[DunningStep]):
    """What was done about overdue invoices, and whether its letter went out."""

    list_display = ("done", "of", "client", "kind", "number", "letter")
    list_select_related = ("invoice__client",)
    list_filter = ("kind",)
    search_fields = ("invoice__client__name", "invoice__client__slug")
    date_hierarchy = "on"
    fields = ("invoice", "kind", "number", "on", "done_at", "mailed_at", "mail_problem")

    @admin.display(description="Done", ordering="done_at")
    def done(self, step: DunningStep) -> str:
        """How long ago."""
        return moment(step.done_at)

    @admin.display(description="Invoice", ordering="invoice__sequence")
    def of(self, step: DunningStep) -> SafeString:
        """Its number, in one piece."""
        return format_html('<span class="b-nowrap">{}</span>', step.invoice)

    @admin.display(description="Client", ordering="invoice__client__name")
    def client(self, step: DunningStep) -> str:
        """Whose invoice it is."""
        return str(step.invoice.client)

    @admin.display(description="Letter")
    def letter(self, step: DunningStep) -> SafeString | str:
        """When it was sent, or what is in the way."""
        if step.mailed_at is not None:
            return moment(step.mailed_at)
        if not step.mail_problem:
            return badge("Not sent yet", "busy")
        return format_html("{} {}", badge("Not sent", "warn"), step.mail_problem)


@admin.register(DunningSuspension)
class DunningSuspensionAdmin(ReadOnlyAdmin[DunningSuspension]):
    """Instances that are, or were, out of use because an invoice was not paid."""

    list_display = ("instance", "invoice", "begun", "ended")
    list_select_related = ("instance__client", "invoice")
    search_fields = ("instance__name", "instance__client__name", "instance__client__slug")
    fields = ("instance", "invoice", "since", "lifted_at")

    @admin.display(description="Since", ordering="since")
    def begun(self, suspension: DunningSuspension) -> str:
        """How long ago."""
        return moment(suspension.since)

    @admin.display(description="Given back", ordering="lifted_at")
    def ended(self, suspension: DunningSuspension) -> SafeString | str:
        """When, if it was."""
        lifted = suspension.lifted_at
        return moment(lifted) if lifted is not None else badge("Suspended", "warn")
