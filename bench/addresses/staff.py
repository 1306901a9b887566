"""Every page of the admin: lists, objects, forms, questions, reports and their files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.db.models import Model
from django.test import RequestFactory

from bench.addresses import lists
from bench.addresses.page import Page, Visitor, logged_in
from billing.models import BankLine, BillingRun, Invoice, InvoiceExport, InvoiceFile
from billing.services.invoicing import line_files
from hosting.models import Backup, FleetAction, Instance, Operation, Rollout
from tenants.models import User

REPORTS = {
    "billing_report_revenue": ({"by": "month"}, {"by": "plan"}, {"by": "client"}),
    "billing_report_revenue_documents": ({"by": "month"}, {"by": "plan"}, {"by": "client"}),
    "billing_report_mrr": ({},),
    "billing_report_receivables": ({},),
    "billing_report_vat": ({},),
    "billing_report_margin": ({},),
    "billing_report_margin_panel": ({},),
}
WITHOUT_FILE = ("billing_report_margin_panel",)
LIVE: tuple[type[Model], ...] = (Operation, FleetAction, Rollout, BillingRun, InvoiceExport)
ABOUT_INSTANCE = {
    "hosting_instance_act": ("stop",),
    "hosting_instance_suspend": (),
    "hosting_instance_begin_anew": ("first",),
}


def pages(instance: Instance) -> Iterator[Page]:
    """As somebody sees them who may see everything."""
    user = _root()
    visitor = Visitor("admin", logged_in(user))
    for view in ("index", "hosting_fleet", "hosting_catalog", "billing_billingrun_preview"):
        yield visitor.opens(f"admin:{view}")
    yield visitor.opens("admin:search", query={"s": lists.WORD})
    for app in ("tenants", "hosting", "billing", "auth"):
        yield visitor.opens("admin:app_list", app, name=f"everything of {app}")
    for registered in admin.site._registry.values():
        yield from lists.pages(registered, visitor, user)
        yield from _objects(registered, visitor, user, instance)
        yield from _offered(registered, visitor)
    yield visitor.opens("admin:tenants_user_password", user.pk)
    yield from _reports(visitor)
    yield from _of_instance(visitor, instance)
    yield from _of_invoice(visitor)
    yield from _of_bank_line(visitor)


def _root() -> User:
    root, _ = User.objects.get_or_create(
        email="bench@generated.example", defaults={"is_staff": True, "is_superuser": True}
    )
    return root


def _objects(
    registered: ModelAdmin[Any], visitor: Visitor, user: User, instance: Instance
) -> Iterator[Page]:
    """The form for a new one, and the page of what is in the middle of the list."""
    opts = registered.model._meta
    name = f"{opts.app_label}_{opts.model_name}"
    request = RequestFactory().get("/")
    request.user = user
    if registered.has_add_permission(request):
        yield visitor.opens(f"admin:{name}_add")
    rows = registered.get_queryset(request).order_by("pk")
    found: Model | None = rows[rows.count() // 2 :].first()
    if registered.model is Instance:
        found = instance
    if found is not None:
        yield visitor.opens(f"admin:{name}_change", found.pk, name=f"one of {name}")


def _reports(visitor: Visitor) -> Iterator[Page]:
    for view, ways in REPORTS.items():
        for query in ways:
            name = " ".join((view.removeprefix("billing_"), *query.values()))
            yield visitor.opens(f"admin:{view}", name=name, query=query)
            if view not in WITHOUT_FILE:
                asked = {**query, "csv": "1"}
                yield visitor.opens(f"admin:{view}", name=f"{name}, its file", query=asked)


def _of_instance(visitor: Visitor, instance: Instance) -> Iterator[Page]:
    """What is asked before something is done, and pages that renew themselves."""
    for view, more in ABOUT_INSTANCE.items():
        yield visitor.opens(f"admin:{view}", instance.pk, *more)
    server = instance.server_id
    yield visitor.opens("admin:hosting_server_drain", server)
    yield visitor.opens("admin:hosting_server_all", server, "restart")
    saved = Backup.objects.filter(instance=instance, verified_at__isnull=False).first()
    if saved is not None:
        for view in ("restore", "clone"):
            yield visitor.opens(f"admin:hosting_backup_{view}", saved.pk)
    for model in LIVE:
        row = model._default_manager.order_by("-pk").first()
        if row is not None:
            name = f"{model._meta.app_label}_{model._meta.model_name}_live"
            yield visitor.opens(f"admin:{name}", row.pk)


def _of_invoice(visitor: Visitor) -> Iterator[Page]:
    invoice = Invoice.objects.filter(state="issued", lines__kind="usage").first()
    if invoice is None:
        return
    line = invoice.lines.filter(kind="usage").order_by("position")[0]
    of_line = (invoice.pk, line.position)
    yield visitor.opens("admin:billing_invoice_line", *of_line)
    for what in line_files.KINDS:
        page = f"billing_invoice_line_csv, {what}"
        yield visitor.opens("admin:billing_invoice_line_csv", *of_line, what, name=page)
    for file in InvoiceFile.objects.filter(invoice=invoice).exclude(content=None):
        yield visitor.opens("admin:billing_invoice_file", invoice.pk, file.kind)


def _of_bank_line(visitor: Visitor) -> Iterator[Page]:
    """What is asked before a line that nobody knows is dealt with."""
    line = BankLine.objects.filter(state="open").order_by("pk").first()
    if line is not None:
        for verb in ("book", "set_aside", "pay_out"):
            yield visitor.opens(f"admin:billing_bankline_{verb}", line.pk)


def _offered(registered: ModelAdmin[Any], visitor: Visitor) -> Iterator[Page]:
    """What a field offers while somebody types."""
    opts = registered.model._meta
    for field in registered.autocomplete_fields:
        query = {
            "app_label": opts.app_label,
            "model_name": opts.model_name,
            "field_name": field,
            "term": lists.WORD,
        }
        name = f"offered as {field} of {opts.app_label}_{opts.model_name}"
        yield visitor.opens("admin:autocomplete", name=name, query=query)
