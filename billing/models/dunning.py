"""What is done about invoices that are not paid in time."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from billing.models.invoice import Invoice
from hosting.models import Instance
from tenants.models import Client


class DunningPolicy(models.Model):
    """When what is done, one row. Without it nobody is reminded of anything."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    reminders = ArrayField(
        models.PositiveSmallIntegerField(),
        default=list,
        help_text="So many days after the due date, such as 3, 10, 17.",
    )
    suspend_after = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Days overdue; empty is never."
    )
    notice_after = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Days overdue; empty is never."
    )

    objects: ClassVar[models.Manager[DunningPolicy]] = models.Manager()

    class Meta:
        verbose_name_plural = "dunning policy"
        constraints = (models.CheckConstraint(condition=models.Q(id=1), name="one_dunning_policy"),)

    def __str__(self) -> str:
        return "dunning policy"


class DunningGrace(models.Model):
    """Until when a client is left alone, whatever it owes; its last day included."""

    client = models.OneToOneField(
        Client, on_delete=models.PROTECT, primary_key=True, related_name="+"
    )
    until = models.DateField(help_text="The last day, by the client's clock.")
    reason = models.CharField(max_length=200)

    objects: ClassVar[models.Manager[DunningGrace]] = models.Manager()

    def __str__(self) -> str:
        return f"{self.client} until {self.until}"


class DunningStep(models.Model):
    """Something that was done about an invoice, once; and when it was told."""

    class Kind(models.TextChoices):
        REMINDER = "reminder", "Reminder"
        SUSPENSION = "suspension", "Suspension"
        RESUMPTION = "resumption", "Given back"
        NOTICE = "notice", "Notice of termination"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="dunning_steps")
    kind = models.CharField(max_length=10, choices=Kind)
    number = models.PositiveSmallIntegerField(default=1)
    on = models.DateField(help_text="By the client's clock.")
    done_at = models.DateTimeField()
    mailed_at = models.DateTimeField(null=True, blank=True)
    mail_problem = models.CharField(max_length=200, blank=True)

    objects: ClassVar[models.Manager[DunningStep]] = models.Manager()

    class Meta:
        ordering = ("-done_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("invoice", "kind", "number"), name="each_dunning_step_once"
            ),
        )
        indexes = (
            models.Index(
                fields=("done_at",),
                condition=models.Q(mailed_at=None),
                name="dunning_step_to_mail",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.number} for {self.invoice}"


class DunningSuspension(models.Model):
    """An instance that is out of use because an invoice was not paid."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="+")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="+")
    since = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[DunningSuspension]] = models.Manager()

    class Meta:
        ordering = ("-since",)
        constraints = (
            models.UniqueConstraint(
                fields=("instance",),
                condition=models.Q(lifted_at=None),
                name="one_dunning_suspension_at_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.instance} for {self.invoice}"
