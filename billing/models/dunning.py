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
    least = models.JSONField(
        "least open sum",
        default=dict,
        blank=True,
        help_text="By currency. Who owes less in all is neither reminded nor suspended.",
    )
    notice_days = models.PositiveSmallIntegerField(
        default=30, help_text="From the notice to the day on which the contract ends."
    )

    objects: ClassVar[models.Manager[DunningPolicy]] = models.Manager()

    class Meta:
        verbose_name = "dunning rules"
        verbose_name_plural = "dunning rules"
        constraints = (models.CheckConstraint(condition=models.Q(id=1), name="one_dunning_policy"),)

    def __str__(self) -> str:
        return "Dunning rules"


class DunningGrace(models.Model):
    """Until when a client is left alone, whatever it owes; its last day included."""

    client = models.OneToOneField(
        Client, on_delete=models.PROTECT, primary_key=True, related_name="+"
    )
    until = models.DateField(help_text="The last day, by the client's clock.")
    reason = models.CharField(max_length=200)

    objects: ClassVar[models.Manager[DunningGrace]] = models.Manager()

    class Meta:
        verbose_name = "grace"
        verbose_name_plural = "left alone"

    def __str__(self) -> str:
        return f"{self.client} until {self.until}"


class DunningStep(models.Model):
    """Something that was done about an invoice, once; and how its letter went.

    The letter is to be sent while there is ``send_at``. Where there is none and it was never
    mailed, ``mail_problem`` says why. ``told_at`` is when it was mailed, or given up.
    """

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
    ends_on = models.DateField(
        "contract ends on", null=True, blank=True, help_text="Of a notice, by the client's clock."
    )
    send_at = models.DateTimeField(null=True, blank=True, help_text="When it is tried next.")
    mailed_at = models.DateTimeField(null=True, blank=True)
    mailed_to = models.JSONField(default=list, blank=True)
    told_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveSmallIntegerField(default=0)
    mail_problem = models.CharField(max_length=300, blank=True)

    objects: ClassVar[models.Manager[DunningStep]] = models.Manager()

    class Meta:
        ordering = ("-done_at",)
        verbose_name = "step of dunning"
        verbose_name_plural = "reminders and notices"
        constraints = (
            models.UniqueConstraint(
                fields=("invoice", "kind", "number"), name="each_dunning_step_once"
            ),
        )
        indexes = (
            models.Index(
                fields=("send_at",),
                condition=models.Q(send_at__isnull=False),
                name="dunning_letter_to_send",
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
        verbose_name = "suspension for debt"
        verbose_name_plural = "suspended for debt"
        constraints = (
            models.UniqueConstraint(
                fields=("instance",),
                condition=models.Q(lifted_at=None),
                name="one_dunning_suspension_at_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.instance} for {self.invoice}"
