"""Where the reports are: below the list of invoices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.urls import URLPattern, path

from billing.admin.reports import margin, mrr, receivables, revenue, vat
from billing.models import Invoice

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Invoice]
else:
    _Admin = object

_PAGES = (
    ("revenue/", revenue.view, revenue.NAME),
    ("revenue/documents/", revenue.documents, "billing_report_revenue_documents"),
    ("mrr/", mrr.view, mrr.NAME),
    ("receivables/", receivables.view, receivables.NAME),
    ("vat/", vat.view, vat.NAME),
    ("margin/", margin.view, margin.NAME),
    ("margin/panel/", margin.panel, margin.PANEL),
)


class WithReports(_Admin):
    """The reports' addresses."""

    def get_urls(self) -> list[URLPattern]:
        """With each report."""
        of = self.admin_site.admin_view
        mine = [path(f"reports/{where}", of(view), name=name) for where, view, name in _PAGES]
        return [*mine, *super().get_urls()]
