"""Lines of the bank in the admin: what each may be, and what became of it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from billing import currencies
from billing.admin.paying import bank_acting
from billing.bank.matching import Certainty
from billing.currencies import said
from billing.models import BankLine
from billing.services.paying import bank_lines, bank_proposals
from billing.services.paying.bank_proposals import Proposed
from hosting.admin.building.tables import NUMBER, Column, Table, link
from tenants.admin.base import ReadOnlyPageAdmin, actor
from tenants.display import Tone, badge, identifier
from tenants.errors import Refused

_STATES: dict[str, Tone] = {"open": "warn", "booked": "ok", "aside": "idle"}
_CERTAIN: dict[Certainty, tuple[str, Tone]] = {
    Certainty.SURE: ("Sure", "ok"),
    Certainty.GUESS: ("A guess", "warn"),
    Certainty.NONE: ("Unknown", "idle"),
}


@admin.register(BankLine)
class BankLineAdmin(ReadOnlyPageAdmin[BankLine]):
    """Each is booked on a client, or set aside with a reason; none is ever removed."""

    has_history = True
    change_form_template = "admin/billing/bank_line.html"
    list_display = ("booked_on", "amount_", "payer", "text_", "proposed", "state_")
    list_select_related = ("client",)
    list_filter = (("state", ChoicesDropdownFilter), "is_return", "currency", "account")
    search_fields = ("name", "iban", "text", "bank_reference", "end_to_end", "client__name")
    date_hierarchy = "booked_on"
    ordering = ("-booked_on", "statement", "position")
    actions = ("book_sure",)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With what each line of the page may be."""
        response: Any = super().changelist_view(request, extra_context)
        found = (getattr(response, "context_data", None) or {}).get("cl")
        if found is not None:
            rows = list(found.result_list)
            proposals = bank_proposals.of_lines(rows)
            for row in rows:
                row.proposal = proposals.get(row.pk)
            found.result_list = rows
        return response  # type: ignore[no-any-return]

    def get_urls(self) -> list[URLPattern]:
        """With what can be done about one."""
        own = [
            path(
                f"<uuid:pk>/{verb}/",
                self.admin_site.admin_view(view),
                name=f"billing_bankline_{verb.replace('-', '_')}",
            )
            for verb, view in bank_acting.VIEWS.items()
        ]
        return [*own, *super().get_urls()]

    def page(self, obj: BankLine, request: HttpRequest) -> dict[str, Any]:
        """What the bank says, what it may be, and what became of it."""
        found = bank_proposals.of_line(obj)
        return {
            "title": f"{said(obj.amount, obj.currency)} on {obj.booked_on}",
            "line": obj,
            "badge": badge(obj.get_state_display(), _STATES[obj.state]),
            "what": _what(obj),
            "facts": _facts(obj),
            "tables": _tables(obj),
            "found": found,
            "certain": _certain(found) if obj.state == BankLine.State.OPEN else "",
            "surplus": currencies.said(found.proposal.surplus, obj.currency),
            "shares": [
                (each.invoice, currencies.said(each.amount, obj.currency)) for each in found.shares
            ],
            "may_act": request.user.has_perm(bank_acting.MAY),
        }

    @admin.action(description="Book what is sure", permissions=["book"])
    def book_sure(self, request: HttpRequest, queryset: QuerySet[BankLine]) -> None:
        """As proposed; the rest stays to be looked at."""
        lines = list(queryset.filter(state=BankLine.State.OPEN, amount__gt=0)[:500])
        done = 0
        for pk, found in bank_proposals.of_lines(lines).items():
            if found.proposal.certainty != Certainty.SURE or found.client is None:
                continue
            line = next(each for each in lines if each.pk == pk)
            try:
                bank_lines.book(
                    line=line,
                    client=found.client,
                    shares=found.shares,
                    actor=actor(request),
                    now=timezone.now(),
                )
            except Refused as refused:  # another line has paid it
                messages.error(request, f"{line}: {refused.message}")
            else:
                done += 1
        messages.success(request, f"{done} booked; {len(lines) - done} are to be looked at.")

    def has_book_permission(self, request: HttpRequest) -> bool:
        """Whoever may match lines."""
        return request.user.has_perm(bank_acting.MAY)

    @admin.display(description="Amount", ordering="amount")
    def amount_(self, line: BankLine) -> str:
        """With its currency."""
        return said(line.amount, line.currency)

    @admin.display(description="From or to", ordering="name")
    def payer(self, line: BankLine) -> str:
        """Who is at the other end."""
        return line.name or line.iban or "–"

    @admin.display(description="Text")
    def text_(self, line: BankLine) -> str:
        """Its beginning."""
        text = line.text or line.creditor_reference
        return f"{text[:60]}…" if len(text) > 61 else text or "–"

    @admin.display(description="What it may be")
    def proposed(self, line: BankLine) -> SafeString | str:
        """How sure that is, and whose money."""
        found: Proposed | None = getattr(line, "proposal", None)
        if found is None:
            return str(line.client or line.reason or "–")
        numbers = ", ".join(each.invoice.number for each in found.shares)
        whom = found.client or ""
        return format_html("{} {} {}", _certain(found), whom, numbers)

    @admin.display(description="State", ordering="state")
    def state_(self, line: BankLine) -> SafeString:
        """What became of it."""
        return badge(line.get_state_display(), _STATES[line.state])


def _certain(found: Proposed) -> SafeString:
    return badge(*_CERTAIN[found.proposal.certainty])


def _what(line: BankLine) -> str:
    if line.state == BankLine.State.ASIDE:
        return f"{line.reason}."
    if line.state == BankLine.State.BOOKED:
        return f"It is booked on {line.client}."
    return "Money came in." if line.amount > 0 else "Money went out."


def _facts(line: BankLine) -> list[tuple[str, object]]:
    facts: list[tuple[str, object]] = [
        ("Booked on", line.booked_on),
        ("Amount", said(line.amount, line.currency)),
        ("From" if line.amount > 0 else "To", line.name or "–"),
        ("Account there", identifier(line.iban)),
        ("Text", line.text or "–"),
        ("Creditor reference", identifier(line.creditor_reference)),
        ("End to end", identifier(line.end_to_end)),
        ("Bank's reference", identifier(line.bank_reference)),
        ("The bank kept", said(line.charges, line.currency) if line.charges else "–"),
        ("Account here", identifier(line.account)),
        ("Imported with", line.statement),
    ]
    return [each for each in facts if each[1] != "–"]


def _tables(line: BankLine) -> list[tuple[str, Table]]:
    payments = list(line.payments.select_related("invoice").order_by("recorded_at", "pk"))
    credits = list(line.credits.order_by("pk"))
    found = []
    if payments:
        columns = (
            Column("Invoice", lambda p: link(p.invoice, "billing_invoice_change", p.invoice_id)),
            Column("Amount", lambda p: said(p.amount, p.currency), NUMBER),
        )
        found.append(("Paid with it", Table(columns, payments, "")))
    if credits:
        columns = (
            Column("Credit", lambda entry: entry.reason),
            Column("Amount", lambda entry: said(entry.amount, entry.currency), NUMBER),
        )
        found.append(("Credit from it", Table(columns, credits, "")))
    return found
