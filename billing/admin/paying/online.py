"""What was paid online, in the admin, and giving it back."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from billing.currencies import said
from billing.models import OnlineEvent, OnlinePage
from billing.services.paying import online_events, online_reversals
from hosting.admin.building.asking import Question, ask
from hosting.admin.building.tables import NUMBER, Column, Table, link
from tenants.admin.base import ReadOnlyAdmin, ReadOnlyPageAdmin, actor
from tenants.display import Tone, badge, identifier, moment
from tenants.errors import Refused

MAY = "billing.change_onlinepage"
_TONES: dict[str, Tone] = {"open": "busy", "paid": "ok", "closed": "idle", "wrong": "bad"}
_BACK: dict[str, Tone] = {"asked": "busy", "gone": "ok", "kept": "idle"}


class RefundForm(forms.Form):
    """How much, and why."""

    amount = forms.DecimalField(widget=forms.TextInput(attrs={"class": "b-input"}))
    reason = forms.CharField(max_length=200, widget=forms.TextInput(attrs={"class": "b-input"}))


@admin.register(OnlinePage)
class OnlinePageAdmin(ReadOnlyPageAdmin[OnlinePage]):
    """Pages of the payment service that clients opened; what was paid can be given back."""

    change_form_template = "admin/billing/online_page.html"
    list_display = ("opened", "invoice", "client", "amount_", "state_", "problem")
    list_select_related = ("invoice__client",)
    list_filter = (("state", ChoicesDropdownFilter), "currency")
    search_fields = ("page_id", "payment_id", "invoice__client__name")

    def get_urls(self) -> list[URLPattern]:
        """With the refund."""
        view = self.admin_site.admin_view(self.refund)
        return [
            path("<uuid:pk>/refund/", view, name="billing_onlinepage_refund"),
            *super().get_urls(),
        ]

    def page(self, obj: OnlinePage, request: HttpRequest) -> dict[str, Any]:
        """What was paid, and what went back."""
        facts = [
            ("Invoice", link(obj.invoice, "billing_invoice_change", obj.invoice_id)),
            ("Client", obj.invoice.client),
            ("Amount", said(obj.amount, obj.currency)),
            ("Opened", moment(obj.opened_at)),
            ("Payment", identifier(obj.payment_id)),
            ("Page", identifier(obj.page_id)),
        ]
        columns = (
            Column("Amount", lambda row: said(row.amount, obj.currency), NUMBER),
            Column("State", lambda row: badge(row.get_state_display(), _BACK[row.state])),
            Column("Why", lambda row: row.reason or "–"),
            Column("Problem", lambda row: row.problem or "–"),
            Column("Known as", lambda row: identifier(row.reversal_id)),
            Column("Since", lambda row: moment(row.asked_at)),
        )
        rows = list(obj.reversals.all())
        is_paid = obj.state == OnlinePage.State.PAID
        return {
            "title": f"{obj.invoice}, online",
            "online_page": obj,
            "badge": self.state_(obj),
            "what": obj.problem,
            "facts": facts,
            "tables": [("What went back", Table(columns, rows, ""))] if rows else [],
            "may_refund": is_paid and request.user.has_perm(MAY),
        }

    def refund(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Ask how much and why (GET), or have it given back (POST)."""
        if not request.user.has_perm(MAY):
            raise PermissionDenied
        row = get_object_or_404(OnlinePage.objects.select_related("invoice__client"), pk=pk)
        form = RefundForm(request.POST or None, initial={"amount": f"{row.amount.normalize():f}"})
        page = reverse("admin:billing_onlinepage_change", args=[row.pk])
        if form.is_valid():
            try:
                online_reversals.ask(
                    page=row, actor=actor(request), now=timezone.now(), **form.cleaned_data
                )
            except Refused as refused:
                field = refused.field if refused.field in form.fields else None
                form.add_error(field, refused.message)
            else:
                online_events.ring()
                return HttpResponseRedirect(page)
        question = Question(
            title=f"Give back what {row.invoice.client} paid for {row.invoice}",
            meaning=(
                f"{said(row.amount, row.currency)} were paid. The client's credit is given back"
                " first; what is more opens the invoice again.",
            ),
            submit="Give it back",
            back=page,
            form=form,
        )
        return ask(request, question, opts=self.opts, original=row)

    @admin.display(description="Opened", ordering="opened_at")
    def opened(self, page: OnlinePage) -> str:
        """How long ago."""
        return moment(page.opened_at)

    @admin.display(description="Client")
    def client(self, page: OnlinePage) -> str:
        """Whose invoice it is."""
        return str(page.invoice.client)

    @admin.display(description="Amount", ordering="amount")
    def amount_(self, page: OnlinePage) -> str:
        """With its currency."""
        return said(page.amount, page.currency)

    @admin.display(description="State", ordering="state")
    def state_(self, page: OnlinePage) -> SafeString:
        """What became of it."""
        return badge(page.get_state_display(), _TONES[page.state])


@admin.register(OnlineEvent)
class OnlineEventAdmin(ReadOnlyAdmin[OnlineEvent]):
    """The payment service's messages, and whether all was done that they are about."""

    list_display = ("kind", "came", "done", "problem", "object_id")
    search_fields = ("id", "object_id", "payment_id")
    fields = ("id", "kind", "object_id", "payment_id", "came_at", "done_at", "problem")

    @admin.display(description="Came", ordering="came_at")
    def came(self, event: OnlineEvent) -> str:
        """How long ago."""
        return moment(event.came_at)

    @admin.display(description="Done", ordering="done_at")
    def done(self, event: OnlineEvent) -> str:
        """How long ago, or that it is still to do."""
        return moment(event.done_at, missing="Not yet")
