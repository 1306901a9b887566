"""A line of usage of an invoice, opened in the admin as it is for the client."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from billing.models import Invoice, InvoiceLine
from billing.selectors import invoices as reading
from billing.services.invoicing import explained_words, explaining, line_files
from hosting.admin.tables import NUMBER, Column, Table

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Invoice]
else:
    _Admin = object


class WithLines(_Admin):
    """Links to an invoice's lines of usage, and what they lead to."""

    def get_urls(self) -> list[URLPattern]:
        """With the lines."""
        own = self.admin_site.admin_view
        lines = "<uuid:pk>/lines/<int:position>/"
        return [
            path(lines, own(self.line), name="billing_invoice_line"),
            path(f"{lines}<slug:what>.csv", own(self.line_csv), name="billing_invoice_line_csv"),
            *super().get_urls(),
        ]

    def line(self, request: HttpRequest, pk: uuid.UUID, position: int) -> HttpResponse:
        """What was used day by day, the events of it, and the amount computed once more."""
        line, now = self._line(request, pk, position), timezone.now()
        told = explained_words.told(line, now=now)
        events = explained_words.events(line, page=request.GET.get("page", ""))
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": f"{line.name} of {line.invoice}",
            "line": line,
            "told": told,
            "days": Table(_days(told.unit), told.days, empty="There are no sums any more."),
            "events": events,
            "events_table": Table(_events(told.unit), events.rows, empty="There are none."),
            "kept_from": explaining.events_kept_from(now=now),
        }
        return TemplateResponse(request, "admin/billing/invoice_line.html", context)

    def line_csv(
        self, request: HttpRequest, pk: uuid.UUID, position: int, what: str
    ) -> StreamingHttpResponse:
        """The days, or all events."""
        line = self._line(request, pk, position)
        if what not in line_files.KINDS:
            raise Http404("There is no such file.")
        answer = StreamingHttpResponse(
            line_files.written(line, what), content_type="text/csv; charset=utf-8"
        )
        name = line_files.name(line, what)
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer

    def _line(self, request: HttpRequest, pk: uuid.UUID, position: int) -> InvoiceLine:
        if not self.has_view_permission(request):
            raise PermissionDenied
        invoice = Invoice.objects.filter(pk=pk, state=Invoice.State.ISSUED).first()
        try:
            return reading.usage_line(invoice, position) if invoice else _none()
        except InvoiceLine.DoesNotExist as error:
            raise Http404("There is no such line.") from error

    @admin.display(description="Usage")
    def usage_(self, invoice: Invoice) -> SafeString | str:
        """Each line of usage, to be opened."""
        if invoice.state == Invoice.State.DRAFT:
            return "Can be opened once it is issued."
        lines = invoice.lines.filter(kind=InvoiceLine.Kind.USAGE).order_by("position")
        links = (
            (reverse("admin:billing_invoice_line", args=[invoice.pk, each.position]), each.name)
            for each in lines
        )
        return format_html_join("", '<p><a class="b-link" href="{}">{}</a></p>', links) or "None"


def _none() -> InvoiceLine:
    raise Http404("There is no such invoice.")


def _days(unit: str) -> tuple[Column, ...]:
    return (
        Column("Day", lambda row: row[0].on),
        Column("Label", lambda row: row[0].label or "–"),
        Column(unit.capitalize(), lambda row: row[1], NUMBER),
        Column("Events", lambda row: f"{row[0].count:,}", NUMBER),
    )


def _events(unit: str) -> tuple[Column, ...]:
    return (
        Column("When", lambda row: f"{row[0]['at']:%Y-%m-%d %H:%M:%S} UTC"),
        Column("Label", lambda row: row[0]["label"] or "–"),
        Column("Reported by", lambda row: row[0]["source"]),
        Column("Event", lambda row: row[0]["event_id"]),
        Column(unit.capitalize(), lambda row: row[1], NUMBER),
    )
