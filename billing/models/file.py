"""The files of issued invoices, as they left."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from billing.models.invoice import Invoice


class InvoiceFile(models.Model):
    """A document of an issued invoice, made once; a trigger refuses to change it.

    Where one can't be, ``problem`` says why, and there is no content: Peppol has no address of a
    consumer, for one.
    """

    class Kind(models.TextChoices):
        PDF = "pdf", "PDF with Factur-X"
        FACTUR_X = "factur_x", "Factur-X"
        PEPPOL = "peppol", "Peppol UBL"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="files")
    kind = models.CharField(max_length=8, choices=Kind)
    content = models.BinaryField(null=True)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    problem = models.TextField(blank=True)
    made_at = models.DateTimeField()

    objects: ClassVar[models.Manager[InvoiceFile]] = models.Manager()

    class Meta:
        ordering = ("invoice", "kind")
        constraints = (
            models.UniqueConstraint(fields=("invoice", "kind"), name="one_file_of_a_kind"),
            models.CheckConstraint(
                condition=(models.Q(content__isnull=False, problem="") & ~models.Q(sha256=""))
                | (models.Q(content=None, sha256="") & ~models.Q(problem="")),
                name="files_are_there_or_say_why_not",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """What it is called where it is saved: INV-000042.pdf, CN-000003-peppol.xml."""
        number = self.invoice.number
        if self.kind == self.Kind.PDF:
            return f"{number}.pdf"
        return f"{number}-{self.kind.replace('_', '-')}.xml"

    @property
    def media_type(self) -> str:
        """For HTTP."""
        return "application/pdf" if self.kind == self.Kind.PDF else "application/xml"
