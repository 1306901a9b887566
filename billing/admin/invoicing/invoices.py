"""Invoices in the admin: to read, with filters and totals. What is added is a credit note."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin
from django.db.models import Count, F, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextInputWidget

from billing.admin.delivering.invoice_exports import WithExports
from billing.admin.delivering.invoice_files import WithFiles
from billing.admin.delivering.invoice_mails import MailFilter, WithMail
from billing.admin.invoicing.invoice_lines import LineInline, WithLines
from billing.admin.invoicing.invoice_money import WithMoney
from billing.admin.reports.urls import WithReports
from billing.currencies import said
from billing.models import Invoice, Settlement, Subscription
from billing.services.invoicing import credit_notes
from tenants.admin.base import ModelForm, ReadOnlyAdmin, ServiceAdmin
from tenants.admin.filters import DayFilter
from tenants.display import badge, moment
from tenants.errors import Refused
from tenants.services.actors import Actor

_NUMBER = re.compile(r"(?:(?P<series>[A-Za-z][A-Za-z0-9-]*)-)?(?P<sequence>\d+)", re.ASCII)


class StandingFilter(admin.SimpleListFilter):
    """How they stand."""

    title = "standing"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        """All that there are."""
        return (
            ("draft", "Draft"),
            ("open", "Open"),
            ("overdue", "Overdue"),
            ("paid", "Paid"),
            ("void", "Void"),
        )

    def queryset(self, request: HttpRequest, queryset: QuerySet[Invoice]) -> QuerySet[Invoice]:
        """Only what was chosen."""
        match self.value():
            case None | "":
                return queryset
            case "draft":
                return queryset.filter(state=Invoice.State.DRAFT)
            case "overdue":
                today = timezone.now().date()
                return queryset.filter(settlement__state="open", due_on__lt=today)
            case state:
                return queryset.filter(settlement__state=state)


class CreditNoteForm(ModelForm[Invoice]):
    """Which invoice is credited, how much of it, and why."""

    amount = forms.DecimalField(
        required=False,
        label="Without VAT",
        help_text="Empty: all that is left of it.",
        widget=UnfoldAdminDecimalFieldWidget(),
    )
    reason = forms.CharField(
        max_length=200,
        help_text="It stands on the credit note.",
        widget=UnfoldAdminTextInputWidget(),
    )

    class Meta:
        model = Invoice
        fields = ("corrects", "reason")
        labels: ClassVar = {"corrects": "Invoice to be credited"}
        help_texts: ClassVar = {"corrects": "By its number or its client's name."}


@admin.register(Invoice)
class InvoiceAdmin(
    WithFiles,
    WithLines,
    WithMail,
    WithMoney,
    WithExports,
    WithReports,
    ServiceAdmin[Invoice],
):
    """Nothing is changed here, and nothing can be: what was wrong is credited."""

    list_display = ("number", "client", "kind", "issued_on", "due_on", "amount", "standing")
    list_select_related = ("client", "settlement")
    list_filter = (
        StandingFilter,
        MailFilter,
        ("kind", ChoicesDropdownFilter),
        "currency",
        ("issued_at", DayFilter),
    )
    list_before_template = "admin/billing/invoice_totals.html"
    search_fields = ("client__name", "client__slug")
    ordering = ("-drafted_at", "-sequence")
    autocomplete_fields = ("corrects",)
    inlines = (LineInline,)

    def get_fields(self, request: HttpRequest, obj: Invoice | None = None) -> Any:
        """What there is of this one; of a credit note to be made, what has to be said."""
        if obj is None:
            return ("corrects", "amount", "reason")
        return _facts(obj)

    def get_inlines(self, request: HttpRequest, obj: Invoice | None) -> Any:
        """Lines where there are any."""
        return self.inlines if obj else ()

    def get_form(
        self, request: HttpRequest, obj: Invoice | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Invoice]]:
        """The one of a credit note, on adding."""
        if obj is None:
            kwargs["form"] = CreditNoteForm
        return super().get_form(request, obj, change=change, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Invoice | None = None) -> bool:
        """Never."""
        return False

    def create(self, *, form: forms.ModelForm[Invoice], actor: Actor) -> Invoice:
        """A credit note, through the service."""
        data = form.cleaned_data
        if data["corrects"] is None:
            raise Refused("Choose the invoice that is credited.", field="corrects")
        return credit_notes.issue(
            invoice=data["corrects"],
            reason=data["reason"],
            net=data["amount"],
            actor=actor,
            now=timezone.now(),
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Invoice], search_term: str
    ) -> tuple[QuerySet[Invoice], bool]:
        """By the client; also by the number, with or without its series and zeros."""
        found, _ = super().get_search_results(request, queryset, search_term)
        number = _NUMBER.fullmatch(search_term.strip())
        if number is None:
            return found, False
        series = {"series__iexact": number["series"]} if number["series"] else {}
        numbered = queryset.filter(sequence=int(number["sequence"]), **series)
        either = found.order_by().values("pk").union(numbered.order_by().values("pk"))
        return queryset.filter(pk__in=either), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With the totals of what the filters leave."""
        response: Any = super().changelist_view(request, extra_context)
        shown = getattr(response, "context_data", None) or {}
        if "cl" in shown:
            shown["totals"] = _totals(shown["cl"].queryset)
        return cast("HttpResponse", response)

    @admin.display(description="Number", ordering="sequence")
    def number(self, invoice: Invoice) -> str:
        """Its number, or that it has none yet."""
        return str(invoice)

    @admin.display(description="Total", ordering="total")
    def amount(self, invoice: Invoice) -> str:
        """With its currency."""
        return said(invoice.total, invoice.currency)

    @admin.display(description="Net")
    def net_(self, invoice: Invoice) -> str:
        """With its currency."""
        return said(invoice.net, invoice.currency)

    @admin.display(description="VAT")
    def vat_(self, invoice: Invoice) -> str:
        """With its currency."""
        return said(invoice.vat, invoice.currency)

    @admin.display(description="Open")
    def open_(self, invoice: Invoice) -> str:
        """What is still to be paid."""
        settlement = _settlement(invoice)
        return said(settlement.open, invoice.currency) if settlement else "–"

    @admin.display(description="VAT decided")
    def vat_rule(self, invoice: Invoice) -> str:
        """By which rule, at which rate."""
        totals = invoice.tax.get("totals", ())
        return ", ".join(f"{each['rule'].replace('_', ' ')}, {each['rate']} %" for each in totals)

    @admin.display(description="Standing")
    def standing(self, invoice: Invoice) -> SafeString | str:
        """Draft, open, overdue, paid or void."""
        settlement = _settlement(invoice)
        if invoice.state == Invoice.State.DRAFT:
            return badge("Waits", "warn") if invoice.problem else badge("Draft", "busy")
        if settlement is None:
            return badge("Issued", "ok")
        if settlement.state == Settlement.State.PAID:
            return badge("Paid", "ok")
        if settlement.state == Settlement.State.VOID:
            return badge("Void", "idle")
        is_late = invoice.due_on is not None and invoice.due_on < timezone.now().date()
        return badge("Overdue", "bad") if is_late else badge("Open", "warn")


def _facts(invoice: Invoice) -> tuple[str, ...]:
    """The fields of a draft, an invoice or a credit note."""
    sums = ("net_", "vat_", "amount")
    if invoice.state == Invoice.State.DRAFT:
        return ("number", "client", "kind", "standing", "problem", "period", *sums, "mail_")
    made = ("vat_rule", "files_", "mail_")
    head = ("number", "client", "kind", "standing")
    if invoice.kind == Invoice.Kind.CREDIT_NOTE:
        return (*head, "corrects", "reason", "period", "issued_on", *sums, *made)
    dates = ("period", "issued_on", "due_on")
    return (*head, *dates, *sums, "open_", "payments_", "notes_", "dunning_", *made)


def _settlement(invoice: Invoice) -> Settlement | None:
    return getattr(invoice, "settlement", None)


def _totals(invoices: QuerySet[Invoice]) -> list[dict[str, str]]:
    """By currency: how many, what invoices less credit notes come to, and is open. One query."""
    of_invoices, of_notes = Q(kind="invoice"), Q(kind="credit_note")
    rows = invoices.order_by().values("currency")
    sums = rows.annotate(
        many=Count("pk"),
        net_in=Sum("net", filter=of_invoices, default=Decimal(0)),
        net_out=Sum("net", filter=of_notes, default=Decimal(0)),
        total_in=Sum("total", filter=of_invoices, default=Decimal(0)),
        total_out=Sum("total", filter=of_notes, default=Decimal(0)),
        open=Sum(
            F("settlement__total") - F("settlement__credited") - F("settlement__paid"),
            filter=of_invoices,
            default=Decimal(0),
        ),
    )
    return [
        {
            "many": str(row["many"]),
            "net": said(row["net_in"] - row["net_out"], row["currency"]),
            "total": said(row["total_in"] - row["total_out"], row["currency"]),
            "open": said(row["open"], row["currency"]) if row["open"] else "",
        }
        for row in sums.order_by("currency")
    ]


class ProblemFilter(admin.SimpleListFilter):
    """Those that could not be billed."""

    title = "problem"
    parameter_name = "problem"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        """One."""
        return (("yes", "Could not be billed"),)

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Subscription]
    ) -> QuerySet[Subscription]:
        """Only what was chosen."""
        return queryset.exclude(problem="") if self.value() else queryset


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin[Subscription]):
    """To read: they follow their instances."""

    list_display = ("instance", "client", "interval", "first_day", "end_day", "due", "problem")
    list_select_related = ("client", "instance__client")
    list_filter = (ProblemFilter, ("interval", ChoicesDropdownFilter))
    search_fields = ("client__name", "instance__name")
    fields = (
        *("instance", "client", "interval", "anchor_kind", "anchor", "first_day", "end_day"),
        *("unbilled_from", "due", "problem"),
    )

    @admin.display(description="Billed next", ordering="next_billing_at")
    def due(self, subscription: Subscription) -> str:
        """When."""
        return moment(subscription.next_billing_at)
