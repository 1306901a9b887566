"""What the list of invoices can be saved as: the chosen ones, or all that the filters leave."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from billing.documents.exports import archives, csv_file, xlsx
from billing.models import Invoice, InvoiceFile
from billing.services import invoice_values

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Invoice]
else:
    _Admin = object

MOST = 5_000  # what a page is waited for; a file of each takes longer
MOST_FILES = 1_000
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_KIND = InvoiceFile.Kind


class WithExports(_Admin):
    """The list's actions: files in the order of issue, the same for the same selection."""

    actions: Any = (
        "export_csv",
        "export_lines",
        "export_workbook",
        "export_pdfs",
        "export_e_invoices",
    )

    @admin.action(description="Save as CSV", permissions=["view"])
    def export_csv(
        self, request: HttpRequest, queryset: QuerySet[Invoice]
    ) -> HttpResponseBase | None:
        """A row each."""
        chosen = self._chosen(request, queryset, MOST)
        if chosen is None:
            return None
        rows = csv_file.of_documents(invoice_values.documents(chosen))
        return _named(StreamingHttpResponse(rows, content_type="text/csv"), "invoices.csv")

    @admin.action(description="Save lines as CSV", permissions=["view"])
    def export_lines(
        self, request: HttpRequest, queryset: QuerySet[Invoice]
    ) -> HttpResponseBase | None:
        """A row a line."""
        chosen = self._chosen(request, queryset, MOST)
        if chosen is None:
            return None
        rows = csv_file.of_lines(invoice_values.documents(chosen))
        return _named(StreamingHttpResponse(rows, content_type="text/csv"), "invoice-lines.csv")

    @admin.action(description="Save as a workbook", permissions=["view"])
    def export_workbook(
        self, request: HttpRequest, queryset: QuerySet[Invoice]
    ) -> HttpResponseBase | None:
        """Invoices, lines and VAT, for Excel."""
        chosen = self._chosen(request, queryset, MOST)
        if chosen is None:
            return None
        made = xlsx.of_documents(invoice_values.documents(chosen))
        return _named(HttpResponse(made, content_type=_SHEET), "invoices.xlsx")

    @admin.action(description="Save PDFs in a ZIP", permissions=["view"])
    def export_pdfs(
        self, request: HttpRequest, queryset: QuerySet[Invoice]
    ) -> HttpResponseBase | None:
        """As they left."""
        return self._packed(request, queryset, (_KIND.PDF,), "invoices-pdf.zip")

    @admin.action(description="Save e-invoices in a ZIP", permissions=["view"])
    def export_e_invoices(
        self, request: HttpRequest, queryset: QuerySet[Invoice]
    ) -> HttpResponseBase | None:
        """Peppol's file where there is one, and else Factur-X."""
        kinds = (_KIND.PEPPOL, _KIND.FACTUR_X)
        return self._packed(request, queryset, kinds, "e-invoices.zip")

    def _chosen(
        self, request: HttpRequest, queryset: QuerySet[Invoice], most: int
    ) -> QuerySet[Invoice] | None:
        """Those that were issued; None where there are none or too many, which the page says."""
        issued = queryset.filter(state=Invoice.State.ISSUED)
        count = issued.count()
        if not count:
            messages.error(request, "None of these has been issued.")
            return None
        if count > most:
            text = f"These are {count:,} invoices; choose {most:,} at the most."
            messages.error(request, text)
            return None
        return issued.order_by("issued_on", "series", "sequence")

    def _packed(
        self,
        request: HttpRequest,
        queryset: QuerySet[Invoice],
        kinds: tuple[_KIND, ...],
        name: str,
    ) -> HttpResponseBase | None:
        """The first of those kinds that each has; the page says which has none yet."""
        chosen = self._chosen(request, queryset, MOST_FILES)
        if chosen is None:
            return None
        files = InvoiceFile.objects.filter(invoice__in=chosen.order_by(), kind__in=kinds)
        known = set(files.exclude(content=None).values_list("invoice", "kind"))
        wanted = [
            (invoice, next((kind for kind in kinds if (invoice.pk, kind) in known), None))
            for invoice in chosen
        ]
        missing = [invoice.number for invoice, kind in wanted if kind is None]
        if missing:
            messages.error(request, f"There is no such file of {', '.join(missing[:5])} yet.")
            return None
        packed = tempfile.TemporaryFile()  # noqa: SIM115 - the answer closes it
        archives.pack(packed, _read(wanted))
        packed.seek(0)
        return _named(FileResponse(packed, content_type="application/zip"), name)


def _read(wanted: list[tuple[Invoice, _KIND | None]]) -> Iterator[tuple[str, bytes]]:
    """One after the other, so that never more than one is in memory."""
    for invoice, kind in wanted:
        file = InvoiceFile.objects.select_related("invoice").get(invoice=invoice, kind=kind)
        yield file.name, bytes(file.content or b"")


def _named(answer: HttpResponseBase, name: str) -> HttpResponseBase:
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
