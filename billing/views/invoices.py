"""A client's invoices: what is to be paid and where to, what was, and each with its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache

from django.core.paginator import Paginator
from django.db.models import F, QuerySet
from django.http import Http404, HttpResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.views.decorators.http import require_safe

from billing import currencies
from billing.models import Invoice, InvoiceFile, InvoiceLine, Seller, Settlement
from billing.selectors import invoices as reading
from billing.selectors import letters
from billing.services.invoicing import previews
from billing.services.invoicing.previews import Expected
from billing.services.paying import dunning, online_gateway
from billing.views import paying
from billing.views.months import today_of
from hosting.views.states import Status
from tenants.permissions import Permission
from tenants.views.access import ClientRequest, client_view, render_page

PER_PAGE = 25
_PAID = Status("Paid", "running", "done")
_VOID = Status("Credited in full", "stopped", "cancelled")
_CREDIT = Status("Credit note", "stopped", "done")

RUNNING = 25  # of the periods that run: the page of prices has all


@dataclass(frozen=True, slots=True)
class Row:
    """An invoice in words."""

    invoice: Invoice
    total: str
    open: str  # empty where nothing is
    status: Status
    files: Sequence[InvoiceFile]


@dataclass(frozen=True, slots=True)
class Line:
    """A line in words; ``price`` is of so many as ``per`` says, where that is not one."""

    line: InvoiceLine
    about: str  # which instance, when, and what else there is to say
    quantity: str
    price: str
    per: str
    net: str
    is_opened: bool  # down to what it was computed from


@dataclass(frozen=True, slots=True)
class Running:
    """A period that runs now, with what it has come to."""

    expected: Expected
    last_day: date
    net: str


@require_safe
@client_view(Permission.VIEW_BILLING)
def index(request: ClientRequest) -> HttpResponse:
    """All of them, what is open, and what runs."""
    today = today_of(request.client)
    page = Paginator(reading.of_client(request.client), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "section": "invoices",
        "page": page,
        "rows": [_row(each, today) for each in page],
        "open": [
            currencies.said(amount, currency)
            for currency, amount in reading.open_amounts(request.client)
        ],
        "credit": [
            currencies.said(amount, currency) for currency, amount in reading.credit(request.client)
        ],
        "seller": Seller.objects.first(),
        "running": [
            Running(
                each, each.days.end - timedelta(days=1), currencies.said(each.net, each.currency)
            )
            for each in previews.of_client(request.client, at_most=RUNNING)
        ],
        "many_running": previews.running(request.client).count(),
    }
    return render_page(request, "billing/invoices.html", context)


@require_safe
@client_view(Permission.VIEW_BILLING)
def page(request: ClientRequest, number: str) -> HttpResponse:
    """One, line by line."""
    invoice = _get(request, number)
    context = {
        "section": "invoices",
        "invoice": invoice,
        "pay": paying.details(invoice, _open(invoice)),
        "may_pay_online": online_gateway.configured() is not None and _open(invoice) > 0,
        "was_paid": "paid" in request.GET,
        "row": _row(invoice, today_of(request.client)),
        "letters": letters.of_invoice(invoice),
        "suspends_on": _suspends_on(invoice),
        "lines": _shown(invoice),
        "net": currencies.said(invoice.net, invoice.currency),
        "taxes": [_tax(each, invoice.currency) for each in invoice.tax.get("totals", ())],
        "payments": [
            (each, currencies.said(each.amount, each.currency)) for each in invoice.payments.all()
        ],
        "notes": [
            (each, currencies.said(each.total, each.currency))
            for each in invoice.credit_notes.filter(state=Invoice.State.ISSUED)
        ],
    }
    return render_page(request, "billing/invoice.html", context)


@require_safe
@client_view(Permission.VIEW_BILLING)
def download(request: ClientRequest, number: str, kind: str) -> HttpResponse:
    """A file of it, as it left."""
    invoice = _get(request, number)
    file = InvoiceFile.objects.filter(invoice=invoice, kind=kind).exclude(content=None).first()
    if file is None:
        raise Http404("There is no such file.")
    return HttpResponse(
        bytes(file.content or b""),
        content_type=file.media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{file.name}"',
            "X-Content-Type-Options": "nosniff",
        },
    )


def _get(request: ClientRequest, number: str) -> Invoice:
    try:
        return reading.get(request.client, number)
    except Invoice.DoesNotExist as error:
        raise Http404("There is no such invoice.") from error


def _lines(invoice: Invoice) -> QuerySet[InvoiceLine]:
    """With the name of each one's instance, which is all that the page says of subscriptions."""
    lines = invoice.lines.annotate(instance_name=F("subscription__instance__name"))
    return lines.defer("basis").order_by("position")


def _open(invoice: Invoice) -> Decimal:
    settlement: Settlement | None = getattr(invoice, "settlement", None)
    return settlement.open if settlement else Decimal(0)


def _suspends_on(invoice: Invoice) -> date | None:
    if invoice.kind == Invoice.Kind.CREDIT_NOTE or not _open(invoice):
        return None
    return dunning.suspends_on(invoice=invoice, now=timezone.now())


def _row(invoice: Invoice, today: date) -> Row:
    settlement: Settlement | None = getattr(invoice, "settlement", None)
    left = _open(invoice)
    return Row(
        invoice=invoice,
        total=currencies.said(invoice.total, invoice.currency),
        open=currencies.said(left, invoice.currency) if left else "",
        status=_status(invoice, settlement, today),
        files=[each for each in invoice.files.all() if not each.problem],
    )


def _status(invoice: Invoice, settlement: Settlement | None, today: date) -> Status:
    if settlement is None or invoice.kind == Invoice.Kind.CREDIT_NOTE:
        return _CREDIT
    if settlement.state == Settlement.State.VOID:
        return _VOID
    if settlement.state == Settlement.State.PAID:
        return _PAID
    days = (invoice.due_on - today).days if invoice.due_on else 0
    if days < 0:
        return Status(f"{-days} day{'' if days == -1 else 's'} overdue", "broken", "broken")
    when = "today" if not days else f"in {days} day{'' if days == 1 else 's'}"
    return Status(f"Due {when}", "attention", "pending")


def _shown(invoice: Invoice) -> list[Line]:
    days = cache(_days)  # most lines have the same, and it takes long to say them
    return [
        _line(each, invoice.currency, about=_about(each, days(each.first_day, each.last_day)))
        for each in _lines(invoice)
    ]


def _line(line: InvoiceLine, currency: str, *, about: str) -> Line:
    per = "" if line.base == 1 else f"per {_plain(line.base)}"
    rounded = currencies.rounded(line.unit_price, currencies.exponent(currency))
    is_fine = rounded != line.unit_price  # 0.0125 has more decimals than money
    return Line(
        line=line,
        about=about,
        quantity=_plain(line.quantity),
        price=_plain(line.unit_price) if is_fine else f"{rounded:,}",
        per=per,
        net=currencies.said(line.net, currency),
        is_opened=line.kind in reading.OPENED and line.invoice.kind == Invoice.Kind.INVOICE,
    )


def _about(line: InvoiceLine, days: str) -> str:
    instance: str | None = vars(line)["instance_name"]
    return ", ".join(part for part in (instance, days, line.description) if part)


def _days(first: date, last: date) -> str:
    return f"{date_format(first, 'j M')} to {date_format(last, 'j M Y')}"


def _tax(total: dict[str, str], currency: str) -> tuple[str, str, str]:
    """What it is called, its amount, and the sentence that the law wants."""
    rate = Decimal(total["rate"])
    title = f"VAT {_plain(rate)} %" if rate else "No VAT"
    return title, currencies.said(Decimal(total["amount"]), currency), total.get("reason", "")


def _plain(value: Decimal) -> str:
    """Without zeros that say nothing."""
    short = value.normalize()
    return f"{short.quantize(Decimal(1)) if short == short.to_integral() else short:,f}"
