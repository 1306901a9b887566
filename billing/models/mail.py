"""That an issued invoice goes to its client by mail."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from billing.models.invoice import Invoice


class InvoiceMail(models.Model):
    """The one mail with an invoice or a credit note, and how it went.

    It is to be sent while it has ``send_at``. Where it has none and was never sent, ``problem``
    says why, and a person has to do something.
    """

    invoice = models.OneToOneField(
        Invoice, on_delete=models.PROTECT, primary_key=True, related_name="mail"
    )
    send_at = models.DateTimeField(null=True, blank=True, help_text="When it is tried next.")
    mailed_at = models.DateTimeField(null=True, blank=True, help_text="When it went out last.")
    mailed_to = models.JSONField(default=list, blank=True)
    times = models.PositiveSmallIntegerField(default=0, help_text="How often it went out.")
    failures = models.PositiveSmallIntegerField(
        default=0, help_text="How often it was not taken since it was to be sent."
    )
    problem = models.CharField(max_length=300, blank=True)

    objects: ClassVar[models.Manager[InvoiceMail]] = models.Manager()

    class Meta:
        ordering = ("invoice",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(mailed_at=None, times=0)
                | models.Q(mailed_at__isnull=False, times__gte=1),
                name="mails_that_went_out_say_when",
            ),
            models.CheckConstraint(
                condition=models.Q(send_at__isnull=False)
                | models.Q(mailed_at__isnull=False)
                | ~models.Q(problem=""),
                name="mails_go_out_or_say_why_not",
            ),
        )
        indexes = (
            models.Index(
                fields=("send_at",),
                condition=models.Q(send_at__isnull=False),
                name="invoice_mail_to_send",
            ),
        )

    def __str__(self) -> str:
        return f"mail with {self.invoice}"
