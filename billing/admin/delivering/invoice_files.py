"""The files of an invoice, on its page in the admin."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from billing.models import Invoice, InvoiceFile

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Invoice]
else:
    _Admin = object


class WithFiles(_Admin):
    """Links to an invoice's files, and what they lead to."""

    def get_urls(self) -> list[URLPattern]:
        """With the files."""
        view = self.admin_site.admin_view(self.download)
        mine = path("<uuid:pk>/files/<str:kind>/", view, name="billing_invoice_file")
        return [mine, *super().get_urls()]

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
        files = invoice.files.defer("content")
        return format_html_join("", "<p>{}</p>", ((_line(file),) for file in files)) or (
            "Made within some minutes."
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
