"""An invoice's lines in the admin; some can be opened as they can be by the client."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing import currencies
from billing.currencies import said
from billing.documents.numbers import plain
from billing.models import Invoice, InvoiceLine
from billing.selectors import invoices as reading
from billing.services.invoicing import (
    downtime_words,
    explained_events,
    explained_words,
    line_files,
)
from hosting.admin.building.tables import NUMBER, Column, Table
from tenants.admin.base import TabularInline
from tenants.display import span

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Invoice]
else:
    _Admin = object


class LineInline(TabularInline[InvoiceLine, Invoice]):
    """What stands on it. Lines of usage and credits lead to what they were computed from."""

    model = InvoiceLine
    fields = ("what", "about", "quantity_", "price_", "net_", "rate_")
    readonly_fields = fields
    extra = 0
    can_delete = False
    hide_title = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[InvoiceLine]:
        """With what is said of them."""
        lines = super().get_queryset(request)
        return lines.select_related("invoice", "subscription__instance").defer(
            "basis", "subscription__instance__definition", "subscription__instance__expected"
        )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    @admin.display(description="What")
    def what(self, line: InvoiceLine) -> SafeString | str:
        """Its name; until the issue it may change, so that there is nothing to be opened."""
        own = line.invoice
        is_opened = own.state == Invoice.State.ISSUED and own.kind == Invoice.Kind.INVOICE
        if line.kind not in reading.OPENED or not is_opened:
            return line.name
        url = reverse("admin:billing_invoice_line", args=[line.invoice_id, line.position])
        return format_html('<a class="b-link" href="{}">{}</a>', url, line.name)

    @admin.display(description="Of")
    def about(self, line: InvoiceLine) -> str:
        """Of which instance, in which days, and how it came about."""
        days = f"{date_format(line.first_day)} to {date_format(line.last_day)}"
        instance = line.subscription.instance.name if line.subscription else ""
        return ", ".join(part for part in (instance, days, line.description) if part)

    @admin.display(description="Quantity")
    def quantity_(self, line: InvoiceLine) -> str:
        """With the decimals that it has."""
        return f"{Decimal(plain(line.quantity)):,}"

    @admin.display(description="Price")
    def price_(self, line: InvoiceLine) -> str:
        """Of so many as it says, where that is not one."""
        price = plain(line.unit_price, currencies.exponent(line.invoice.currency))
        return price if line.base == 1 else f"{price} per\N{NO-BREAK SPACE}{plain(line.base)}"

    @admin.display(description="Net")
    def net_(self, line: InvoiceLine) -> str:
        """Without VAT."""
        return said(line.net, line.invoice.currency).replace(" ", "\N{NO-BREAK SPACE}")

    @admin.display(description="VAT")
    def rate_(self, line: InvoiceLine) -> str:
        """As it is decided; of a draft it may be undecided."""
        return f"{plain(line.rate)}\N{NO-BREAK SPACE}%" if line.category else "–"


class WithLines(_Admin):
    """What an invoice's lines lead to."""

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
        """What it was computed from, and the amount computed once more."""
        line = self._line(request, pk, position)
        if line.kind == InvoiceLine.Kind.DOWNTIME:
            return self._downtime(request, line)
        now = timezone.now()
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
            "kept_from": explained_events.kept_from(now=now),
        }
        return TemplateResponse(request, "admin/billing/invoice_line.html", context)

    def _downtime(self, request: HttpRequest, line: InvoiceLine) -> HttpResponse:
        told = downtime_words.told(line)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": f"{line.name} of {line.invoice}",
            "line": line,
            "told": told,
            "down": span(told.down),
            "known": span(told.known),
            "days": Table(_DOWN, told.days, empty="None is known any more."),
        }
        return TemplateResponse(request, "admin/billing/downtime_line.html", context)

    def line_csv(
        self, request: HttpRequest, pk: uuid.UUID, position: int, what: str
    ) -> StreamingHttpResponse:
        """The days, or all events."""
        line = self._line(request, pk, position)
        if what not in line_files.KINDS or line.kind == InvoiceLine.Kind.DOWNTIME:
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
            return reading.opened_line(invoice, position) if invoice else _none()
        except InvoiceLine.DoesNotExist as error:
            raise Http404("There is no such line.") from error


def _none() -> InvoiceLine:
    raise Http404("There is no such invoice.")


_DOWN = (
    Column("Day", lambda row: row[0]),
    Column("Down", lambda row: span(row[1]), NUMBER),
    Column("Known", lambda row: span(row[2]), NUMBER),
)


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
        Column("Label", lambda row: row[0]["label"] or row[0]["key"] or "–"),
        Column("Reported by", lambda row: row[0]["source"]),
        Column("Event", lambda row: row[0]["event_id"]),
        Column(unit.capitalize(), lambda row: row[1], NUMBER),
    )
