"""What clients were given back for downtime, in the admin."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing.currencies import said
from billing.models import DowntimeCredit, InvoiceLine
from tenants.admin.base import ReadOnlyAdmin
from tenants.display import moment


@admin.register(DowntimeCredit)
class DowntimeCreditAdmin(ReadOnlyAdmin[DowntimeCredit]):
    """To read: they are given with invoices. Each leads to what it was computed from."""

    list_display = ("of_month", "client", "instance", "share", "given", "on", "when")
    list_select_related = ("invoice__client", "subscription__instance")
    search_fields = (
        *("invoice__client__name", "invoice__client__slug", "subscription__instance__name"),
    )
    date_hierarchy = "month"
    fields = ("of_month", "client", "instance", "share", "given", "on", "explained", "when")

    @admin.display(description="Month", ordering="month")
    def of_month(self, credit: DowntimeCredit) -> str:
        """By the client's clock."""
        return f"{credit.month:%B %Y}"

    @admin.display(description="Client", ordering="invoice__client__name")
    def client(self, credit: DowntimeCredit) -> str:
        """Who was given it."""
        return str(credit.invoice.client)

    @admin.display(description="Instance", ordering="subscription__instance__name")
    def instance(self, credit: DowntimeCredit) -> str:
        """What was down."""
        return credit.subscription.instance.name

    @admin.display(description="Share", ordering="percent")
    def share(self, credit: DowntimeCredit) -> str:
        """Of what was charged for the month."""
        return f"{credit.percent.normalize():f}\N{NO-BREAK SPACE}%"

    @admin.display(description="Amount", ordering="amount")
    def given(self, credit: DowntimeCredit) -> str:
        """Without VAT."""
        return said(credit.amount, credit.invoice.currency)

    @admin.display(description="Invoice", ordering="invoice__sequence")
    def on(self, credit: DowntimeCredit) -> SafeString:
        """Its number, in one piece."""
        return format_html('<span class="b-nowrap">{}</span>', credit.invoice)

    @admin.display(description="How it was computed")
    def explained(self, credit: DowntimeCredit) -> SafeString | str:
        """A link to its line, opened."""
        line = InvoiceLine.objects.filter(
            invoice=credit.invoice_id,
            kind=InvoiceLine.Kind.DOWNTIME,
            subscription=credit.subscription_id,
            basis__month=str(credit.month),
        ).first()
        if line is None:
            return "–"
        url = reverse("admin:billing_invoice_line", args=[line.invoice_id, line.position])
        return format_html('<a class="b-link" href="{}">line {}</a>', url, line.position)

    @admin.display(description="Given", ordering="given_at")
    def when(self, credit: DowntimeCredit) -> SafeString | str:
        """How long ago."""
        return moment(credit.given_at)
