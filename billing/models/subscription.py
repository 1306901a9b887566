"""What is charged again and again: one subscription for each instance of a client's."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from billing.models.party import BillingProfile
from billing.models.price import Interval
from hosting.models import Instance, Plan
from tenants.models import Client


class Subscription(models.Model):
    """Follows its instance from the day on which it first ran to the day of its deletion.

    Days are the client's. ``unbilled_from`` is the first day that no billing period has yet, and
    ``unbilled_at`` its begin; what is due is what has ``next_billing_at`` behind it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="+")
    instance = models.OneToOneField(Instance, on_delete=models.PROTECT, related_name="+")
    interval = models.CharField(max_length=7, choices=Interval)
    anchor_kind = models.CharField(max_length=11, choices=BillingProfile.Anchor)
    anchor = models.DateField(help_text="The day that periods are counted from.")
    first_day = models.DateField()
    end_day = models.DateField(null=True, blank=True, help_text="The day after its last one.")
    unbilled_from = models.DateField()
    unbilled_at = models.DateTimeField()
    next_billing_at = models.DateTimeField(
        null=True, blank=True, help_text="Empty where all of it has been billed."
    )
    problem = models.TextField(blank=True, help_text="Why it could not be billed, in one sentence.")

    objects: ClassVar[models.Manager[Subscription]] = models.Manager()

    class Meta:
        ordering = ("client", "first_day")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(end_day=None) | models.Q(end_day__gt=models.F("first_day")),
                name="subscriptions_have_a_day",
            ),
            models.CheckConstraint(
                condition=models.Q(next_billing_at__isnull=False) | models.Q(end_day__isnull=False),
                name="what_goes_on_is_billed_again",
            ),
        )
        indexes = (
            models.Index(
                fields=("next_billing_at",),
                condition=models.Q(next_billing_at__isnull=False),
                name="subscription_due",
            ),
        )

    def __str__(self) -> str:
        return f"subscription of {self.instance_id}"


class Span(models.Model):
    """Days of a subscription on one plan. A constraint of the database lets no two overlap."""

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="spans")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="+")
    first_day = models.DateField()
    end_day = models.DateField(null=True, blank=True, help_text="The day after the last one.")
    is_suspended = models.BooleanField(default=False)

    objects: ClassVar[models.Manager[Span]] = models.Manager()

    class Meta:
        ordering = ("subscription", "first_day")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(end_day=None) | models.Q(end_day__gt=models.F("first_day")),
                name="spans_have_a_day",
            ),
        )

    def __str__(self) -> str:
        return f"{self.plan} from {self.first_day}"


class Following(models.Model):
    """Up to when subscriptions have followed what happened to their instances: one row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    until = models.DateTimeField()

    objects: ClassVar[models.Manager[Following]] = models.Manager()

    class Meta:
        constraints = (models.CheckConstraint(condition=models.Q(id=1), name="one_following"),)

    def __str__(self) -> str:
        return f"followed until {self.until}"
