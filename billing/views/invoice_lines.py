"""A line of an invoice, opened down to the days and events that it was computed from."""

from __future__ import annotations

from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from billing.models import Invoice, InvoiceLine
from billing.selectors import invoices as reading
from billing.services.invoicing import (
    downtime_words,
    explained_events,
    explained_words,
    line_files,
)
from tenants.permissions import Permission
from tenants.views.access import ClientRequest, client_view, render_page


@require_safe
@client_view(Permission.VIEW_BILLING)
def page(request: ClientRequest, number: str, position: int) -> HttpResponse:
    """What was used day by day, the events of it, and the amount computed once more."""
    line = _get(request, number, position)
    context = {"section": "invoices", "invoice": line.invoice, "line": line}
    if line.kind == InvoiceLine.Kind.DOWNTIME:
        told = downtime_words.told(line)
        return render_page(request, "billing/downtime_line.html", {**context, "told": told})
    now = timezone.now()
    context |= {
        "told": explained_words.told(line, now=now),
        "events": explained_words.events(line, page=request.GET.get("page", "")),
        "kept_from": explained_events.kept_from(now=now),
    }
    return render_page(request, "billing/invoice_line.html", context)


@require_safe
@client_view(Permission.VIEW_BILLING)
def as_csv(request: ClientRequest, number: str, position: int, what: str) -> StreamingHttpResponse:
    """The days, or all events, exactly."""
    if what not in line_files.KINDS:
        raise Http404("There is no such file.")
    line = _get(request, number, position)
    if line.kind == InvoiceLine.Kind.DOWNTIME:
        raise Http404("There is no such file.")
    name = line_files.name(line, what)
    return StreamingHttpResponse(
        line_files.written(line, what),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _get(request: ClientRequest, number: str, position: int) -> InvoiceLine:
    try:
        return reading.opened_line(reading.get(request.client, number), position)
    except (Invoice.DoesNotExist, InvoiceLine.DoesNotExist) as error:
        raise Http404("There is no such line.") from error
