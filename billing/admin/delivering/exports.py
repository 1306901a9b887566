"""Exports that workers make: how far they are, and their files while they are kept."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from billing.models import InvoiceExport
from billing.services.delivering import exports
from hosting.admin.building.live import LiveAdmin
from hosting.admin.building.tables import link
from tenants.admin.base import actor
from tenants.display import Tone, badge, byte_size, moment, span
from tenants.errors import Refused

_STATE = InvoiceExport.State
_TONES: dict[str, Tone] = {
    "waiting": "idle",
    "running": "busy",
    "ready": "ok",
    "failed": "bad",
    "gone": "idle",
}


@admin.register(InvoiceExport)
class InvoiceExportAdmin(LiveAdmin[InvoiceExport]):
    """Asked for on the list of invoices; here they are watched and fetched."""

    has_history = True
    list_display = ("kind", "status", "invoices_", "size_", "author", "asked", "until", "file")
    list_filter = (("state", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter))
    search_fields = ("requested_by_label", "id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[InvoiceExport]:
        """Without what was chosen: that may be a hundred thousand."""
        return super().get_queryset(request).defer("invoices")

    def live(self, pk: uuid.UUID, request: HttpRequest) -> dict[str, Any]:
        """The export as it stands."""
        return _as_of_now(get_object_or_404(InvoiceExport.objects.defer("invoices"), pk=pk))

    def get_urls(self) -> list[URLPattern]:
        """With the file."""
        view = self.admin_site.admin_view(self.download)
        return [
            path("<uuid:pk>/file/", view, name="billing_invoiceexport_file"),
            *super().get_urls(),
        ]

    def download(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
        """The file, part by part; the audit log has who fetched it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        export = get_object_or_404(InvoiceExport.objects.defer("invoices"), pk=pk)
        try:
            parts = exports.fetch(export=export, actor=actor(request))
        except Refused as refused:
            raise Http404(refused.message) from refused
        answer = StreamingHttpResponse(parts, content_type=export.media_type)
        answer["Content-Length"] = str(export.size)
        answer["Content-Disposition"] = f'attachment; filename="{export.name}"'
        answer["X-Content-Type-Options"] = "nosniff"
        return answer

    @admin.display(description="State", ordering="state")
    def status(self, export: InvoiceExport) -> SafeString:
        """How it stands."""
        return _state(export)

    @admin.display(description="Invoices", ordering="total")
    def invoices_(self, export: InvoiceExport) -> str:
        """How many."""
        return f"{export.total:,}"

    @admin.display(description="Size", ordering="size")
    def size_(self, export: InvoiceExport) -> str:
        """Of the file."""
        return byte_size(export.size) if export.size else "–"

    @admin.display(description="Asked for by", ordering="requested_by_label")
    def author(self, export: InvoiceExport) -> str:
        """Who, by name as it was."""
        return export.requested_by_label

    @admin.display(description="Asked for", ordering="requested_at")
    def asked(self, export: InvoiceExport) -> str:
        """How long ago."""
        return moment(export.requested_at)

    @admin.display(description="Kept until", ordering="expires_at")
    def until(self, export: InvoiceExport) -> str:
        """When the file goes."""
        return moment(export.expires_at)

    @admin.display(description="File")
    def file(self, export: InvoiceExport) -> SafeString | str:
        """To save it."""
        if export.state != _STATE.READY:
            return "–"
        return link("Download", "billing_invoiceexport_file", export.pk)


def _state(export: InvoiceExport) -> SafeString:
    return badge(export.get_state_display(), _TONES[export.state])


def _as_of_now(export: InvoiceExport) -> dict[str, Any]:
    is_over = export.ended_at is not None
    return {
        "export": export,
        "badge": _state(export),
        "renews": not is_over,
        "is_ready": export.state == _STATE.READY,
        "size": byte_size(export.size),
        "percent": round(100 * export.done / export.total),
        "took": span((export.ended_at or timezone.now()) - export.requested_at),
    }
