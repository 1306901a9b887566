"""What the list of invoices can be saved as: the chosen ones, or all that the filters leave.

What a page can be waited for is answered at once; what takes longer a worker makes.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from billing.models import Invoice, InvoiceExport
from billing.services.delivering import export_files, exports
from billing.services.delivering.export_files import Impossible, Selection
from tenants.admin.base import actor, show_refused
from tenants.errors import Refused

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Invoice]
else:
    _Admin = object

MOST = 5_000  # what a page is waited for; a file of each takes longer
MOST_FILES = 1_000
ASKED_BY = "billing.add_invoiceexport"
_KIND = InvoiceExport.Kind


class WithExports(_Admin):
    """The list's actions: files in the order of issue, the same for the same selection."""

    actions: Any = (
        "export_csv",
        "export_lines",
        "export_workbook",
        "export_pdfs",
        "export_e_invoices",
        "export_datev",
        "export_xero",
        "export_quickbooks",
    )

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Whether the person may have a worker make files."""
        return request.user.has_perm(ASKED_BY)

    @admin.action(description="Save as CSV", permissions=["view"])
    def export_csv(
        self, request: HttpRequest, queryset: QuerySet[Invoice]
    ) -> HttpResponseBase | None:
        """A row each."""
        return _save(request, queryset, _KIND.CSV, MOST)

    @admin.action(description="Save lines as CSV", permissions=["view"])
    def export_lines(
        self, request: HttpRequest, queryset: QuerySet[Invoice]
    ) -> HttpResponseBase | None:
        """A row a line."""
        return _save(request, queryset, _KIND.LINES, MOST)

    @admin.action(description="Save as a workbook", permissions=["view"])
    def export_workbook(
        self, request: HttpRequest, queryset: QuerySet[Invoice]
    ) -> HttpResponseBase | None:
        """Invoices, lines and VAT, for Excel."""
        return _save(request, queryset, _KIND.XLSX, MOST)

    @admin.action(description="Save PDFs in a ZIP", permissions=["view"])
    def export_pdfs(
        self, request: HttpRequest, queryset: QuerySet[Invoice]
    ) -> HttpResponseBase | None:
        """As they left."""
        return _save(request, queryset, _KIND.PDF, MOST_FILES)

    @admin.action(description="Save e-invoices in a ZIP", permissions=["view"])
    def export_e_invoices(
        self, request: HttpRequest, queryset: QuerySet[Invoice]
    ) -> HttpResponseBase | None:
        """Peppol's file where there is one, and else Factur-X."""
        return _save(request, queryset, _KIND.E_INVOICES, MOST_FILES)

    @admin.action(description="Export to DATEV", permissions=["export"])
    def export_datev(
        self, request: HttpRequest, queryset: QuerySet[Invoice]
    ) -> HttpResponseBase | None:
        """A booking batch for each business year."""
        return _later(request, queryset, _KIND.DATEV)

    @admin.action(description="Export to Xero", permissions=["export"])
    def export_xero(
        self, request: HttpRequest, queryset: QuerySet[Invoice]
    ) -> HttpResponseBase | None:
        """As many files as Xero needs."""
        return _later(request, queryset, _KIND.XERO)

    @admin.action(description="Export to QuickBooks Online", permissions=["export"])
    def export_quickbooks(
        self, request: HttpRequest, queryset: QuerySet[Invoice]
    ) -> HttpResponseBase | None:
        """As many files as QuickBooks needs."""
        return _later(request, queryset, _KIND.QUICKBOOKS)


def _save(
    request: HttpRequest, queryset: QuerySet[Invoice], kind: str, most: int
) -> HttpResponseBase | None:
    """The file at once, or a worker's where that takes longer. What can't be is said."""
    issued = queryset.filter(state=Invoice.State.ISSUED)
    count = issued.count()
    if count > most:
        if request.user.has_perm(ASKED_BY):
            return _later(request, queryset, kind)
        messages.error(request, f"These are {count:,} invoices; choose {most:,} at the most.")
        return None
    if not count:
        messages.error(request, "None of these has been issued.")
        return None
    ordered = issued.order_by("issued_on", "series", "sequence").values_list("pk", flat=True)
    out = tempfile.TemporaryFile()  # noqa: SIM115 - the answer closes it
    try:
        made = export_files.write(kind, Selection(list(ordered), lambda _: None), out)
    except (Impossible, Refused) as error:
        out.close()
        messages.error(request, str(error))
        return None
    out.seek(0)
    return FileResponse(out, content_type=made.media_type, as_attachment=True, filename=made.name)


def _later(request: HttpRequest, queryset: QuerySet[Invoice], kind: str) -> HttpResponseBase | None:
    """Have a worker make it, and go to where it can be watched and fetched."""
    try:
        export = exports.request(
            kind=kind, invoices=queryset, actor=actor(request), now=timezone.now()
        )
    except Refused as refused:
        show_refused(request, refused)
        return None
    return redirect("admin:billing_invoiceexport_change", export.pk)
