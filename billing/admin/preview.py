"""What the next round of billing would come to, in the admin."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

from billing.currencies import said
from billing.models import BillingRun
from billing.services.invoicing import previews
from billing.services.invoicing.previews import Expected
from hosting.admin.building.tables import NUMBER, Column, Table, link
from tenants.display import badge, moment


def view(request: HttpRequest) -> HttpResponse:
    """For whoever may see billing runs."""
    if not request.user.has_perm("billing.view_billingrun"):
        raise PermissionDenied
    found = previews.next_run()
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Next billing run",
        "table": Table(_COLUMNS, found.rows, empty="Nothing will be due."),
        "preview": found,
        "due": moment(found.first_at),
        "may_run": request.user.has_perm("billing.add_billingrun"),
        "going_on": BillingRun.objects.filter(requested_at__isnull=False, ended_at=None).exists(),
        "totals": [said(amount, currency) for currency, amount in sorted(found.totals.items())],
    }
    return TemplateResponse(request, "admin/billing/preview.html", context)


def _instance(row: Expected) -> SafeString:
    return link(row.subscription.instance.name, *_PAGE, row.subscription.pk)


def _amount(row: Expected) -> str:
    return "–" if row.problem else said(row.net, row.currency)


def _downtime(row: Expected) -> str:
    return said(row.downtime, row.currency) if row.downtime else ""


def _problem(row: Expected) -> SafeString | str:
    return badge(row.problem, "warn") if row.problem else ""


_PAGE = ("billing_subscription_change",)
_COLUMNS = (
    Column("Client", lambda row: row.subscription.client.name),
    Column("Instance", _instance),
    Column("From", lambda row: row.days.first),
    Column("To", lambda row: row.days.end - timedelta(days=1)),
    Column("Net so far", _amount, NUMBER),
    Column("Back for downtime", _downtime, NUMBER),
    Column("Problem", _problem),
)
