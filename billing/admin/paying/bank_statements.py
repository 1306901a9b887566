"""Importing bank statements in the admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from billing.admin.prices import OnceAdmin
from billing.bank.table import HEADINGS, Layout
from billing.models import BankStatement, Seller
from billing.services.paying import bank_statements
from tenants.admin.base import ModelForm
from tenants.display import moment
from tenants.errors import Refused
from tenants.services.actors import Actor

_COLUMNS = {
    "booked_on": "Day",
    "amount": "Amount",
    "debit": "Debit, what went out",
    "credit": "Credit, what came in",
    "currency_column": "Currency",
    "name": "Name",
    "iban": "IBAN",
    "text": "Text",
    "reference": "Bank's reference",
}
_WRITTEN = ("account", "currency", "encoding", "delimiter", "has_comma", "dates")


def _text(label: str, help_text: str = "") -> forms.CharField:
    widget = UnfoldAdminTextInputWidget()
    return forms.CharField(label=label, required=False, widget=widget, help_text=help_text)


def _choice(label: str, choices: tuple[tuple[str, str], ...]) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=choices, widget=UnfoldAdminSelectWidget())


class StatementForm(ModelForm[BankStatement]):
    """A file; of a table also how it is written. What was chosen last is chosen again."""

    file = forms.FileField(widget=UnfoldAdminFileFieldWidget())
    format = _choice("Format", tuple(BankStatement.Format.choices))
    account = _text("IBAN of the account")
    currency = _text("Currency", "Of lines that name none.")
    encoding = _choice("Encoding", (("utf-8", "UTF-8"), ("cp1252", "Windows-1252")))
    delimiter = _choice("Between columns", ((";", "Semicolon"), (",", "Comma"), ("tab", "Tab")))
    has_comma = forms.BooleanField(
        label="Decimal comma", required=False, widget=UnfoldBooleanSwitchWidget()
    )
    dates = _choice("Days", (("dmy", "31.01.2026"), ("ymd", "2026-01-31"), ("mdy", "01/31/2026")))

    class Meta:
        model = BankStatement
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in _COLUMNS.items():
            known = HEADINGS[name.removesuffix("_column")]
            self.fields[name] = _text(label, f"Empty: {', '.join(known[:5])}.")
        self.initial.update(_last())

    def _post_clean(self) -> None:
        """The service looks at it all; no field of the row is typed here."""

    def layout(self) -> Layout | None:
        """How the table is written; None for CAMT.053."""
        data = self.cleaned_data
        if data["format"] == BankStatement.Format.CAMT:
            return None
        account = "".join(data["account"].split()).upper()
        if not account:
            raise Refused("Say which account the table is of.", field="account")
        columns = {name.removesuffix("_column"): data[name] for name in _COLUMNS}
        return Layout(
            account=account[:34],
            currency=data["currency"].strip().upper(),
            encoding=data["encoding"],
            delimiter="\t" if data["delimiter"] == "tab" else data["delimiter"],
            has_comma=data["has_comma"],
            dates=data["dates"],
            columns={what: name for what, name in columns.items() if name},
        )


def _last() -> dict[str, Any]:
    seller = Seller.objects.first()
    known: dict[str, Any] = {"account": seller.iban if seller else "", "currency": "EUR"}
    known |= {"has_comma": True}
    last = BankStatement.objects.filter(format=BankStatement.Format.CSV).first()
    if last is not None:
        known |= {name: last.layout[name] for name in _WRITTEN}
        known["delimiter"] = "tab" if known["delimiter"] == "\t" else known["delimiter"]
        names = last.layout["columns"]
        known |= {name: names.get(name.removesuffix("_column"), "") for name in _COLUMNS}
    return known


@admin.register(BankStatement)
class BankStatementAdmin(OnceAdmin):
    """Files that were imported. Importing one again, or one that overlaps, does no harm."""

    form = StatementForm
    list_display = ("name", "format", "imported", "lines_in_it", "new_lines")
    list_filter = (("format", ChoicesDropdownFilter),)
    search_fields = ("name", "sha256")
    ordering = ("-imported_at",)

    def get_fieldsets(self, request: HttpRequest, obj: BankStatement | None = None) -> Any:
        """The file, and how it is written; of one that was imported, what is known."""
        if obj is not None:
            known = ("name", "format", "imported_at", "lines_in_it", "new_lines", "sha256")
            return ((None, {"fields": known}),)
        return (
            (None, {"fields": ("file", "format")}),
            ("CSV: how it is written", {"fields": _WRITTEN}),
            ("CSV: columns with headings of their own", {"fields": tuple(_COLUMNS)}),
        )

    def get_form(
        self,
        request: HttpRequest,
        obj: BankStatement | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> type[forms.ModelForm[BankStatement]]:
        """The one of a file, on adding; its fields are its own."""
        more = {"form": ModelForm} if obj else {"fields": ()}
        return super().get_form(request, obj, change=change, **{**kwargs, **more})

    def create(self, *, form: forms.ModelForm[BankStatement], actor: Actor) -> BankStatement:
        """Through the service."""
        file = form.cleaned_data["file"]
        if file.size > bank_statements.LARGEST:
            raise Refused("The file has more than 10 MB.", field="file")
        file.seek(0)
        return bank_statements.import_file(
            name=file.name,
            content=file.read(),
            layout=form.layout(),  # type: ignore[attr-defined]  # it is a StatementForm
            actor=actor,
            now=timezone.now(),
        )

    def response_add(
        self, request: HttpRequest, obj: BankStatement, post_url_continue: str | None = None
    ) -> HttpResponse:
        """On to the lines that are to be matched."""
        known = obj.lines_in_it - obj.new_lines
        text = f"{obj.lines_in_it} lines, {obj.new_lines} of them new"
        self.message_user(request, f"{text}; {known} were known already." if known else f"{text}.")
        lines = reverse("admin:billing_bankline_changelist")
        return HttpResponseRedirect(f"{lines}?state__exact=open")

    @admin.display(description="Imported", ordering="imported_at")
    def imported(self, statement: BankStatement) -> str:
        """How long ago."""
        return moment(statement.imported_at)
