"""What finance does about a line of the bank: each page asks, and hands on to one service."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from billing import currencies
from billing.currencies import said
from billing.models import BankLine, Invoice, Settlement
from billing.services.paying import bank_lines, bank_proposals
from billing.services.paying.bank_proposals import Proposed
from billing.services.paying.receipts import Share
from hosting.admin.building import acting
from hosting.admin.building.asking import Question, ask
from tenants.admin.base import actor
from tenants.errors import Refused
from tenants.models import Client

MAY = "billing.change_bankline"


class BookingForm(forms.Form):
    """Which invoices, and whose credit what is left of it becomes."""

    shares = forms.CharField(
        label="Invoices",
        required=False,
        widget=forms.Textarea(attrs={"class": "b-input", "rows": 4, "cols": None}),
        help_text="One a row: its number, and how much where that is not all that is open."
        " Such as: INV-000042 20.00",
    )
    client = forms.CharField(
        label="Client",
        required=False,
        widget=forms.TextInput(attrs={"class": "b-input"}),
        help_text="Its short name. Needed where no invoice is named: it all becomes its credit.",
    )


class ReasonForm(forms.Form):
    """Why a line is no payment."""

    reason = forms.CharField(
        max_length=200,
        widget=forms.TextInput(attrs={"class": "b-input"}),
        help_text="Such as “Interest” or “Paid back by the tax office”.",
    )


class ClientForm(forms.Form):
    """To whom money was sent."""

    client = forms.CharField(
        widget=forms.TextInput(attrs={"class": "b-input"}), help_text="Its short name."
    )


def book(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Ask where the money goes, with what is proposed (GET), or book it (POST)."""
    line = _get(request, pk)
    found = bank_proposals.of_line(line)
    form = BookingForm(request.POST or None, initial=_as_typed(found))

    def change() -> None:
        shares = _shares(form.cleaned_data["shares"])
        client = _client(form.cleaned_data["client"], shares)
        bank_lines.book(
            line=line, client=client, shares=shares, actor=actor(request), now=timezone.now()
        )

    question = Question(
        title=f"Book {said(line.amount, line.currency)} of {line.name or 'somebody'}",
        meaning=(found.proposal.why, "What is more than its invoices becomes the client's credit."),
        submit="Book",
        back=_page(line),
        form=form,
    )
    return _do(request, line, question, change)


def set_aside(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Ask why (GET), or do it (POST)."""
    line = _get(request, pk)
    form = ReasonForm(request.POST or None)

    def change() -> None:
        bank_lines.set_aside(line=line, reason=form.cleaned_data["reason"], actor=actor(request))

    question = Question(
        title=f"Set aside {said(line.amount, line.currency)} of {line.name or 'somebody'}",
        meaning=("It is no payment of a client's. It stays in the list of what was set aside.",),
        submit="Set aside",
        back=_page(line),
        form=form,
    )
    return _do(request, line, question, change)


def pay_out(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Ask to whom it went (GET), or book it (POST)."""
    line = _get(request, pk)
    form = ClientForm(request.POST or None)

    def change() -> None:
        client = _client(form.cleaned_data["client"], [])
        bank_lines.pay_out(line=line, client=client, actor=actor(request), now=timezone.now())

    question = Question(
        title=f"Book {said(-line.amount, line.currency)} as paid out",
        meaning=("The client's credit becomes less by it.",),
        submit="Book",
        back=_page(line),
        form=form,
    )
    return _do(request, line, question, change)


def take_up(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Have it matched after all."""
    line = _get(request, pk)
    return acting.post(
        request,
        allowed=True,
        change=lambda: bank_lines.take_up(line=line, actor=actor(request)),
        said="It is to be matched again.",
        page=_page(line),
    )


def undo(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Take a wrong booking back."""
    line = _get(request, pk)
    return acting.post(
        request,
        allowed=True,
        change=lambda: bank_lines.undo(line=line, actor=actor(request), now=timezone.now()),
        said="What it had paid is open again, and the line is to be matched again.",
        page=_page(line),
    )


def book_return(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Book that the bank took back what is proposed."""
    line = _get(request, pk)
    of = get_object_or_404(BankLine, pk=request.POST.get("of") or uuid.UUID(int=0))
    return acting.post(
        request,
        allowed=True,
        change=lambda: bank_lines.book_return(
            line=line, of=of, actor=actor(request), now=timezone.now()
        ),
        said="What it had paid is open again.",
        page=_page(line),
    )


VIEWS: dict[str, Callable[..., HttpResponse]] = {
    "book": book,
    "set-aside": set_aside,
    "pay-out": pay_out,
    "take-up": take_up,
    "undo": undo,
    "return": book_return,
}


def _do(
    request: HttpRequest, line: BankLine, question: Question, change: Callable[[], None]
) -> HttpResponse:
    form = question.form
    if form is not None and form.is_valid():
        try:
            change()
        except Refused as refused:
            form.add_error(refused.field if refused.field in form.fields else None, refused.message)
        else:
            return HttpResponseRedirect(_page(line))
    return ask(request, question, opts=BankLine._meta, original=line)


def _shares(text: str) -> list[Share]:
    """What was typed, row by row. ``Refused`` at the field, with the row."""
    found = []
    for row in text.splitlines():
        words = row.replace(",", " ").split() if row.count(",") > 1 else row.split()
        if not words:
            continue
        invoice, settlement = _invoice(words[0].upper())
        try:
            amount = Decimal(words[1]) if len(words) > 1 else settlement.open
        except InvalidOperation:
            amount = Decimal(0)
        if len(words) > 2 or not amount.is_finite() or amount <= 0:
            said = currencies.said(settlement.open, invoice.currency)
            raise Refused(
                f"“{row.strip()[:60]}”: write a number and an amount like 20.00; {said} is open.",
                field="shares",
            )
        found.append(Share(invoice, amount))
    return found


def _invoice(number: str) -> tuple[Invoice, Settlement]:
    series, _, digits = number.rpartition("-")
    if digits.isascii() and digits.isdigit() and len(digits) < 19:
        rows = Settlement.objects.select_related("invoice")
        found = rows.filter(invoice__series=series, invoice__sequence=int(digits)).first()
        if found is not None:
            return found.invoice, found
    raise Refused(f"There is no invoice “{number[:40]}”.", field="shares")


def _client(slug: str, shares: list[Share]) -> Client:
    if slug.strip():
        found = Client.objects.filter(slug=slug.strip()).first()
        if found is None:
            raise Refused(f"No client's short name is “{slug.strip()[:40]}”.", field="client")
        return found
    if not shares:
        raise Refused("Name an invoice, or the client whose credit it is.", field="client")
    return shares[0].invoice.client


def _as_typed(found: Proposed) -> dict[str, str]:
    rows = [f"{each.invoice.number} {each.amount.normalize():f}" for each in found.shares]
    return {"shares": "\n".join(rows), "client": found.client.slug if found.client else ""}


def _get(request: HttpRequest, pk: uuid.UUID) -> BankLine:
    if not request.user.has_perm(MAY):
        raise PermissionDenied
    return get_object_or_404(BankLine, pk=pk)


def _page(line: BankLine) -> str:
    return reverse("admin:billing_bankline_change", args=[line.pk])
