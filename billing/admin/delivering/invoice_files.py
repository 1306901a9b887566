"""The files of an invoice, on its page in the admin."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from billing.admin.delivering.invoice_mails import MAY_SEND
from billing.models import Invoice, InvoiceFile
from billing.services.delivering import invoice_files
from hosting.admin.building import acting
from hosting.admin.building.asking import Question, ask
from tenants.admin.base import actor

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Invoice]
else:
    _Admin = object


class WithFiles(_Admin):
    """Links to an invoice's files, and what they lead to."""

    def get_urls(self) -> list[URLPattern]:
        """With the files."""
        view = self.admin_site.admin_view
        return [
            path(
                "<uuid:pk>/files/again/", view(self.try_again), name="billing_invoice_files_again"
            ),
            path("<uuid:pk>/files/<str:kind>/", view(self.download), name="billing_invoice_file"),
            *super().get_urls(),
        ]

    def try_again(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Ask once more (GET), or have made what could not be (POST)."""
        if not request.user.has_perm(MAY_SEND):
            raise PermissionDenied
        issued = Invoice.objects.filter(state=Invoice.State.ISSUED).select_related("client")
        invoice = get_object_or_404(issued, pk=pk)
        page = reverse("admin:billing_invoice_change", args=[pk])
        if request.method == "POST":
            return acting.post(
                request,
                allowed=True,
                change=lambda: invoice_files.try_again(
                    invoice=invoice, actor=actor(request), now=timezone.now()
                ),
                said=f"What failed of {invoice.number} is made within some minutes.",
                page=page,
            )
        return ask(request, _question(invoice, page))

    def download(self, request: HttpRequest, pk: uuid.UUID, kind: str) -> HttpResponse:
        """The file as it left."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        files = InvoiceFile.objects.select_related("invoice").exclude(content=None)
        file = get_object_or_404(files, invoice=pk, kind=kind)
        answer = HttpResponse(bytes(file.content or b""), content_type=file.media_type)
        answer["Content-Disposition"] = f'attachment; filename="{file.name}"'
        answer["X-Content-Type-Options"] = "nosniff"
        return answer

    @admin.display(description="Files")
    def files_(self, invoice: Invoice) -> SafeString | str:
        """Each with its link and its SHA-256, or why there is none."""
        if invoice.state == Invoice.State.DRAFT:
            return "Made once it is issued."
        files = list(invoice.files.defer("content"))
        if not files:
            return "Made within some minutes."
        lines = format_html_join("", "<p>{}</p>", ((_line(file),) for file in files))
        if not any(file.problem for file in files):
            return lines
        url = reverse("admin:billing_invoice_files_again", args=[invoice.pk])
        return format_html(
            '{}<p><a class="b-link" href="{}">Try again what failed</a></p>', lines, url
        )


def _question(invoice: Invoice, page: str) -> Question:
    failed = invoice.files.exclude(problem="").defer("content")
    return Question(
        title=f"Make again what failed of {invoice.number}?",
        meaning=(
            *(f"{file.get_kind_display()}: {file.problem}" for file in failed),
            "What is there stays as it is. Of an invoice that was issued nothing changes, so this"
            " helps where Berth itself was at fault and is mended.",
        ),
        submit="Try again",
        back=page,
    )


def _line(file: InvoiceFile) -> SafeString:
    if file.problem:
        return format_html("{}: {}", file.get_kind_display(), file.problem)
    url = reverse("admin:billing_invoice_file", args=[file.invoice_id, file.kind])
    return format_html(
        '<a class="b-link" href="{}">{}</a> <span class="b-dim b-wrap">SHA-256 {}</span>',
        url,
        file.get_kind_display(),
        file.sha256,
    )
