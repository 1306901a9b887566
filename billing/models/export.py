"""Files of many invoices that a worker makes, and that wait to be fetched."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models


class InvoiceExport(models.Model):
    """A selection of issued invoices as one file of a kind.

    ``invoices`` is the selection as it was when it was asked for, in the order of issue. A worker
    holds the row by a lease and a fence. The file lies in ``InvoiceExportPart`` until
    ``expires_at``.
    """

    class Kind(models.TextChoices):
        CSV = "csv", "CSV, a row an invoice"
        LINES = "lines", "CSV, a row a line"
        XLSX = "xlsx", "Workbook"
        PDF = "pdf", "ZIP of PDFs"
        E_INVOICES = "e_invoices", "ZIP of e-invoices"
        DATEV = "datev", "DATEV booking batch"
        XERO = "xero", "Xero"
        QUICKBOOKS = "quickbooks", "QuickBooks Online"

    class State(models.TextChoices):
        WAITING = "waiting", "Waits for a worker"
        RUNNING = "running", "Being made"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"
        GONE = "gone", "No longer kept"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=10, choices=Kind)
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    invoices = ArrayField(models.UUIDField(), editable=False)
    total = models.PositiveIntegerField(help_text="How many invoices and credit notes.")
    done = models.PositiveIntegerField(default=0)
    problem = models.TextField(blank=True, help_text="Why there is no file.")
    name = models.CharField(max_length=80, blank=True)
    media_type = models.CharField(max_length=100, blank=True)
    size = models.BigIntegerField(default=0)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    requested_at = models.DateTimeField()
    requested_by_label = models.CharField("asked for by", max_length=200)
    ended_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveIntegerField(default=0, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[models.Manager[InvoiceExport]] = models.Manager()

    class Meta:
        ordering = ("-requested_at",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(state__in=("waiting", "running"), ended_at=None)
                | (~models.Q(state__in=("waiting", "running")) & models.Q(ended_at__isnull=False)),
                name="exports_end_one_way",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=("ready", "gone"))
                | (~models.Q(sha256="") & models.Q(expires_at__isnull=False)),
                name="exports_that_are_ready_have_a_file",
            ),
            models.CheckConstraint(
                condition=(models.Q(state="failed") & ~models.Q(problem=""))
                | (~models.Q(state="failed") & models.Q(problem="")),
                name="exports_that_failed_say_why",
            ),
        )
        indexes = (
            models.Index(
                fields=("requested_at",),
                condition=models.Q(ended_at=None),
                name="export_to_be_made",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.requested_at:%Y-%m-%d %H:%M}"


class InvoiceExportPart(models.Model):
    """A megabyte of an export's file, or what is left of it at its end."""

    export = models.ForeignKey(InvoiceExport, on_delete=models.CASCADE, related_name="parts")
    position = models.PositiveIntegerField()
    content = models.BinaryField()

    objects: ClassVar[models.Manager[InvoiceExportPart]] = models.Manager()

    class Meta:
        ordering = ("export", "position")
        constraints = (
            models.UniqueConstraint(fields=("export", "position"), name="one_part_a_position"),
        )

    def __str__(self) -> str:
        return f"part {self.position} of {self.export_id}"
