"""Dunning in the admin: its rules, whom it leaves alone, and what it did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminTextInputWidget

from billing.currencies import said
from billing.models import DunningGrace, DunningPolicy, DunningStep, DunningSuspension
from billing.services.paying import dunning, dunning_letters, dunning_rules
from hosting.admin.building.tables import link
from tenants.admin.base import ModelForm, ReadOnlyAdmin, ServiceAdmin, actor
from tenants.display import badge, moment
from tenants.errors import Refused
from tenants.services.actors import Actor


class PolicyForm(ModelForm[DunningPolicy]):
    """Days as they are written: 3, 10, 17."""

    reminders = forms.CharField(
        widget=UnfoldAdminTextInputWidget,
        required=False,
        help_text="So many days after the due date, such as 3, 10, 17.",
    )

    least = forms.CharField(
        widget=UnfoldAdminTextInputWidget,
        required=False,
        label="Least open sum",
        help_text="By currency, such as EUR 10.00, CHF 12.00. Who owes less in all is neither"
        " reminded nor suspended; in a currency that is not named every sum counts.",
    )

    class Meta:
        model = DunningPolicy
        fields = ("reminders", "suspend_after", "notice_after", "notice_days", "least")

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        if self.instance.reminders:
            self.initial["reminders"] = ", ".join(str(day) for day in self.instance.reminders)
        self.initial["least"] = _sums(self.instance)

    def clean_reminders(self) -> list[int]:
        """As numbers."""
        try:
            return list(dunning_rules.parsed(self.cleaned_data["reminders"]))
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error

    def clean_least(self) -> Mapping[str, str]:
        """By currency, as they are kept."""
        try:
            sums = dunning_rules.parsed_sums(self.cleaned_data["least"])
            return {currency: str(amount) for currency, amount in sums.items()}
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


def _sums(policy: DunningPolicy) -> str:
    """As it is typed: without commas for thousands."""
    return ", ".join(f"{each} {amount}" for each, amount in sorted(policy.least.items()))


@admin.register(DunningPolicy)
class DunningPolicyAdmin(ServiceAdmin[DunningPolicy]):
    """One row: when an overdue invoice is reminded of, suspended for, and given notice for."""

    form = PolicyForm
    list_display = ("days", "suspend_after", "notice_after", "notice_days", "least_open")

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

    @admin.display(description="Least open sum")
    def least_open(self, policy: DunningPolicy) -> str:
        """Of each currency that has one."""
        sums = sorted(policy.least.items())
        return ", ".join(said(Decimal(amount), each) for each, amount in sums) or "–"


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


class LetterFilter(admin.SimpleListFilter):
    """Whether their letters went out."""

    title = "letter"
    parameter_name = "letter"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        """All that there are."""
        return (("sent", "Sent"), ("waiting", "Waiting"), ("not", "Not sent"))

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[DunningStep]
    ) -> QuerySet[DunningStep]:
        """Only what was chosen."""
        match self.value():
            case "sent":
                return queryset.filter(mailed_at__isnull=False)
            case "waiting":
                return queryset.filter(send_at__isnull=False)
            case "not":
                return queryset.filter(send_at=None, mailed_at=None)
            case _:
                return queryset


@admin.register(DunningStep)
class DunningStepAdmin(ReadOnlyAdmin[DunningStep]):
    """What was done about overdue invoices, and whether its letter went out."""

    list_display = ("of", "client", "what", "done", "letter")
    list_select_related = ("invoice__client",)
    list_filter = (("kind", ChoicesDropdownFilter), LetterFilter)
    search_fields = ("invoice__client__name", "invoice__client__slug")
    date_hierarchy = "on"
    actions = ("send_again",)
    fields = ("of", "client", "what", "on", "done_at", "ends_on", "letter")

    def get_fields(self, request: HttpRequest, obj: DunningStep | None = None) -> Any:
        """The contract's end only where there is one."""
        return [each for each in self.fields if each != "ends_on" or (obj and obj.ends_on)]

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Who may say whom dunning leaves alone."""
        return request.user.has_perm("billing.change_dunninggrace")

    @admin.action(description="Send their letters again", permissions=["send"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[DunningStep]) -> None:
        """Those that went nowhere; of one that was sent it says so."""
        asked = 0
        for step in queryset.select_related("invoice"):
            try:
                dunning_letters.send_again(step=step, actor=actor(request), now=timezone.now())
            except Refused as refused:
                messages.error(request, f"{step}: {refused.message}")
            else:
                asked += 1
        if asked:
            messages.success(request, f"Letters that are sent within five minutes: {asked}.")

    @admin.display(description="Done", ordering="done_at")
    def done(self, step: DunningStep) -> str:
        """How long ago."""
        return moment(step.done_at)

    @admin.display(description="Invoice", ordering="invoice__sequence")
    def of(self, step: DunningStep) -> SafeString:
        """Its number, which leads to it."""
        return link(step.invoice, "billing_invoice_change", step.invoice_id)

    @admin.display(description="Client", ordering="invoice__client__name")
    def client(self, step: DunningStep) -> str:
        """Whose invoice it is."""
        return str(step.invoice.client)

    @admin.display(description="What", ordering="kind")
    def what(self, step: DunningStep) -> str:
        """Which reminder, say; what happens once has no number."""
        is_one = step.number == 1 and step.kind != DunningStep.Kind.REMINDER
        return step.get_kind_display() if is_one else f"{step.get_kind_display()} {step.number}"

    @admin.display(description="Letter")
    def letter(self, step: DunningStep) -> SafeString | str:
        """When it was sent where, or what is in the way."""
        if step.mailed_at is not None:
            to = ", ".join(step.mailed_to)
            return format_html("{}{}", moment(step.mailed_at), f" to {to}" if to else "")
        if step.send_at is None:
            return format_html("{} {}", badge("Not sent", "warn"), step.mail_problem)
        if not step.mail_problem:
            return badge("Sent in some minutes", "busy")
        again = badge("Tried again", "warn")
        return format_html("{} {} Next attempt {}.", again, step.mail_problem, moment(step.send_at))


class StateFilter(admin.SimpleListFilter):
    """Whether it goes on."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        """Both."""
        return (("now", "Suspended now"), ("over", "Given back"))

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[DunningSuspension]
    ) -> QuerySet[DunningSuspension]:
        """Only what was chosen."""
        match self.value():
            case "now":
                return queryset.filter(lifted_at=None)
            case "over":
                return queryset.exclude(lifted_at=None)
            case _:
                return queryset


@admin.register(DunningSuspension)
class DunningSuspensionAdmin(ReadOnlyAdmin[DunningSuspension]):
    """Instances that are, or were, out of use because an invoice was not paid."""

    list_display = ("of", "client", "for_", "begun", "ended")
    list_select_related = ("instance__client", "invoice")
    list_filter = (StateFilter,)
    search_fields = ("instance__name", "instance__client__name", "instance__client__slug")
    fields = ("of", "client", "for_", "since", "lifted_at")

    @admin.display(description="Instance", ordering="instance__name")
    def of(self, suspension: DunningSuspension) -> SafeString:
        """Its name, which leads to it."""
        instance = suspension.instance
        return link(instance.name, "hosting_instance_change", instance.pk)

    @admin.display(description="Client", ordering="instance__client__name")
    def client(self, suspension: DunningSuspension) -> str:
        """Whose it is."""
        return str(suspension.instance.client)

    @admin.display(description="Invoice", ordering="invoice__sequence")
    def for_(self, suspension: DunningSuspension) -> SafeString:
        """What is to be paid, which leads to it."""
        return link(suspension.invoice, "billing_invoice_change", suspension.invoice_id)

    @admin.display(description="Since", ordering="since")
    def begun(self, suspension: DunningSuspension) -> str:
        """How long ago."""
        return moment(suspension.since)

    @admin.display(description="Given back", ordering="lifted_at")
    def ended(self, suspension: DunningSuspension) -> SafeString | str:
        """When, if it was."""
        lifted = suspension.lifted_at
        return moment(lifted) if lifted is not None else badge("Suspended", "warn")
