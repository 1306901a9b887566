"""Whether an invoice went out by mail, on its page in the admin, and sending it again."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing.models import Invoice, InvoiceMail
from billing.services import posting
from billing.services.delivering import invoice_mails
from hosting.admin.building import acting
from hosting.admin.building.asking import Question, ask
from tenants.admin.base import actor
from tenants.display import badge, moment

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Invoice]
else:
    _Admin = object

MAY_SEND = "billing.change_invoicemail"


class MailFilter(admin.SimpleListFilter):
    """Those whose mail did not go out."""

    title = "mail"
    parameter_name = "mail"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        """Where a person has to do something, and where it is tried again."""
        return (("stuck", "Not sent, needs you"), ("waits", "Tried again"), ("sent", "Sent"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Invoice]) -> QuerySet[Invoice]:
        """Only what was chosen."""
        match self.value():
            case "stuck":
                return queryset.filter(~Q(mail__problem=""), mail__send_at=None)
            case "waits":
                return queryset.filter(~Q(mail__problem=""), mail__send_at__isnull=False)
            case "sent":
                return queryset.filter(mail__mailed_at__isnull=False)
            case _:
                return queryset


class WithMail(_Admin):
    """How an invoice's mail stands, and sending it again."""

    def get_urls(self) -> list[URLPattern]:
        """With sending."""
        view = self.admin_site.admin_view(self.send)
        return [path("<uuid:pk>/send/", view, name="billing_invoice_send"), *super().get_urls()]

    def send(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Ask once more (GET), or have it sent (POST)."""
        if not request.user.has_perm(MAY_SEND):
            raise PermissionDenied
        issued = Invoice.objects.filter(state=Invoice.State.ISSUED).select_related("client")
        invoice = get_object_or_404(issued, pk=pk)
        page = reverse("admin:billing_invoice_change", args=[pk])
        if request.method == "POST":
            return acting.post(
                request,
                allowed=True,
                change=lambda: invoice_mails.send_again(
                    invoice=invoice, actor=actor(request), now=timezone.now()
                ),
                said=f"{invoice.number} is sent within a minute.",
                page=page,
            )
        return ask(request, _question(invoice, page))

    @admin.display(description="Mail")
    def mail_(self, invoice: Invoice) -> SafeString | str:
        """How it stands, and a way to send it."""
        if invoice.state == Invoice.State.DRAFT:
            return "Sent once it is issued."
        mail = InvoiceMail.objects.filter(invoice=invoice).first()
        url = reverse("admin:billing_invoice_send", args=[invoice.pk])
        verb = "Send again" if mail and mail.times else "Send now"
        link = format_html('<a class="b-link" href="{}">{}</a>', url, verb)
        return format_html("<p>{}</p><p>{}</p>", _stands(mail), link)


def _question(invoice: Invoice, page: str) -> Question:
    to = ", ".join(posting.recipients_of(invoice.client))
    return Question(
        title=f"Send {invoice.number} to {invoice.client}?",
        meaning=(f"It goes to {to}, with its files." if to else posting.NO_ADDRESS,),
        submit="Send",
        back=page,
    )


def _stands(mail: InvoiceMail | None) -> SafeString | str:
    if mail is None:
        return "Not sent by mail yet: it was issued before Berth did that, or has no files yet."
    if mail.problem and mail.send_at is None:
        return format_html("{} {}", badge("Not sent", "bad"), mail.problem)
    if mail.problem:
        waits = badge("Tried again", "warn")
        return format_html("{} {} Next attempt {}.", waits, mail.problem, moment(mail.send_at))
    if mail.send_at is not None:
        return badge("Sent within a minute", "busy")
    to = ", ".join(mail.mailed_to)
    times = f", {mail.times} times by now" if mail.times > 1 else ""
    return format_html("{} {} to {}{}", badge("Sent", "ok"), moment(mail.mailed_at), to, times)
