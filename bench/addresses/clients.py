"""Every page of a client: of an ordinary one, and of the one that has most instances."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from django.db.models import Count

from bench.addresses.page import Page, Visitor, logged_in
from billing.models import Invoice, InvoiceFile
from billing.services.invoicing import line_files
from hosting.models import Incident, Instance, Operation
from hosting.selectors import catalog
from hosting.selectors.saving import backups
from hosting.views.usage_charts import CHARTS
from hosting.views.usage_windows import SPANS
from tenants.models import Client, User

OF_CLIENT = (
    *("instances", "audit", "order", "notifications", "deleted_instances"),
    *("client_costs", "client_costs_csv", "invoices", "billing", "billing_details"),
)
OF_INSTANCE = (
    *("instance", "backups", "incidents", "usage", "usage_tokens", "instance_upgrade"),
    *("restore_to", "costs", "costs_csv", "availability_csv"),
)


def pages(*, spans: Collection[str] = SPANS) -> Iterator[Page]:
    """Each with its charts over each of the spans, and their files."""
    ordinary = Instance.objects.filter(state="running", purpose="client").select_related("client")
    instance = ordinary.order_by("pk")[ordinary.count() // 2]
    largest = _largest()
    if instance.client == largest:
        instance = ordinary.exclude(client=largest)[0]
    yield from _account(instance.client)
    yield from _of_client(_visitor(instance.client, "client"), instance.client)
    yield from _of_instance(_visitor(instance.client, "client"), instance)
    yield from _charts(_visitor(instance.client, "chart"), instance, spans)
    most = largest.instances.filter(state="running").order_by("pk")[0]
    visitor = _visitor(largest, "client with most instances")
    yield from _of_client(visitor, largest)
    for view in ("instance", "costs"):
        yield visitor.opens(view, largest.slug, most.name)


def _largest() -> Client:
    of_clients = Client.objects.filter(instances__purpose="client")
    return of_clients.annotate(many=Count("instances")).order_by("-many")[0]


def _visitor(client: Client, who: str) -> Visitor:
    owner = User.objects.filter(memberships__client=client).order_by("pk")[0]
    return Visitor(who, logged_in(owner))


def _account(client: Client) -> Iterator[Page]:
    """What is everybody's own."""
    visitor = _visitor(client, "account")
    yield visitor.opens("home", query={"choose": ""})
    for view in ("account_email", "account_change_password", "account_logout"):
        yield visitor.opens(view)


def _of_client(visitor: Visitor, client: Client) -> Iterator[Page]:
    for view in OF_CLIENT:
        yield visitor.opens(view, client.slug)
    yield visitor.opens("audit", client.slug, name="audit, searched", query={"q": "flows-1"})
    app = next(iter(catalog.apps()))
    for view in ("order_plans", "order_name"):
        yield visitor.opens(view, client.slug, query={"app": app, "name": "new"})
    yield from _of_invoice(visitor, client)
    deleted = backups.of_deleted(client).first()
    if deleted is not None:
        yield visitor.opens("deleted_clone", client.slug, deleted.pk)


def _of_invoice(visitor: Visitor, client: Client) -> Iterator[Page]:
    invoice = Invoice.objects.filter(client=client, state="issued").order_by("-issued_at").first()
    if invoice is None:
        return
    number = (client.slug, invoice.number)
    yield visitor.opens("invoice", *number)
    line = invoice.lines.exclude(meter="").order_by("position").first()
    if line is not None:
        yield visitor.opens("invoice_line", *number, line.position)
        for what in line_files.KINDS:
            page = f"invoice_line_csv, {what}"
            yield visitor.opens("invoice_line_csv", *number, line.position, what, name=page)
    for file in InvoiceFile.objects.filter(invoice=invoice).exclude(content=None):
        yield visitor.opens("invoice_file", *number, file.kind, name=f"invoice_file, {file.kind}")


def _of_instance(visitor: Visitor, instance: Instance) -> Iterator[Page]:
    where = (instance.client.slug, instance.name)
    for view in OF_INSTANCE:
        yield visitor.opens(view, *where)
    yield visitor.opens("backups", *where, name="backups, page 2", query={"page": 2})
    incident = Incident.objects.filter(instance=instance).order_by("-opened_at").first()
    if incident is not None:
        yield visitor.opens("incident", *where, incident.pk)
    operation = Operation.objects.filter(instance=instance).order_by("-requested_at")[0]
    yield visitor.opens("operation", instance.client.slug, operation.pk)
    saved = instance.backups.filter(verified_at__isnull=False).order_by("-taken_at").first()
    if saved is not None:
        yield visitor.opens("backup_restore", *where, saved.pk)


def _charts(visitor: Visitor, instance: Instance, spans: Collection[str]) -> Iterator[Page]:
    for chart in CHARTS:
        for span in spans:
            for view, suffix in (("usage_chart", ""), ("usage_csv", ", its file")):
                where = (instance.client.slug, instance.name, chart)
                name = f"{chart}, {span}{suffix}"
                yield visitor.opens(view, *where, name=name, query={"span": span})
