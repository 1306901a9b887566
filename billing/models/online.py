"""Paying online: pages that were opened, what went back, and the service's messages."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from billing import currencies
from billing.models.invoice import Invoice


class OnlinePage(models.Model):
    """A page of the payment service on which an invoice can be paid, for so much."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        PAID = "paid", "Paid"
        CLOSED = "closed", "Closed unpaid"
        WRONG = "wrong", "Not what was asked for"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="online_pages")
    amount = models.DecimalField(max_digits=20, decimal_places=3)
    currency = models.CharField(max_length=3)
    page_id = models.CharField(max_length=255, blank=True)
    url = models.TextField(blank=True)
    payment_id = models.CharField(max_length=255, blank=True)
    state = models.CharField(max_length=6, choices=State, default=State.OPEN)
    problem = models.CharField(max_length=200, blank=True)
    opened_at = models.DateTimeField()
    looked_at = models.DateTimeField()

    objects: ClassVar[models.Manager[OnlinePage]] = models.Manager()

    class Meta:
        ordering = ("-opened_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("page_id",), condition=~models.Q(page_id=""), name="one_online_page_an_id"
            ),
            models.UniqueConstraint(
                fields=("payment_id",),
                condition=~models.Q(payment_id=""),
                name="one_online_page_a_payment",
            ),
            models.CheckConstraint(
                condition=models.Q(amount__gt=0), name="online_pages_have_an_amount"
            ),
        )

    def __str__(self) -> str:
        return f"{self.invoice} online"


class OnlineReversal(models.Model):
    """Money of an online payment that went back: a refund, or a dispute."""

    class State(models.TextChoices):
        ASKED = "asked", "Asked for"
        GONE = "gone", "Given back"
        KEPT = "kept", "Not given back"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    page = models.ForeignKey(OnlinePage, on_delete=models.PROTECT, related_name="reversals")
    amount = models.DecimalField(max_digits=20, decimal_places=3)
    reversal_id = models.CharField(max_length=255, blank=True)
    state = models.CharField(max_length=5, choices=State, default=State.ASKED)
    reason = models.CharField(max_length=200, blank=True)
    problem = models.CharField(max_length=200, blank=True)
    times = models.PositiveSmallIntegerField(default=0, help_text="How often it was booked.")
    asked_at = models.DateTimeField()

    objects: ClassVar[models.Manager[OnlineReversal]] = models.Manager()

    class Meta:
        ordering = ("-asked_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("reversal_id",),
                condition=~models.Q(reversal_id=""),
                name="one_online_reversal_an_id",
            ),
            models.CheckConstraint(
                condition=models.Q(amount__gt=0), name="online_reversals_have_an_amount"
            ),
        )

    def __str__(self) -> str:
        return f"{currencies.said(self.amount, self.page.currency)} of {self.page}"


class OnlineEvent(models.Model):
    """A message of the payment service, once; it is worked on until nothing is left to do."""

    id = models.CharField(primary_key=True, max_length=255)
    kind = models.CharField(max_length=80)
    object_id = models.CharField(max_length=255, blank=True)
    payment_id = models.CharField(max_length=255, blank=True)
    came_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=200, blank=True)

    objects: ClassVar[models.Manager[OnlineEvent]] = models.Manager()

    class Meta:
        ordering = ("-came_at",)
        indexes = (
            models.Index(
                fields=("came_at",), condition=models.Q(done_at=None), name="online_event_to_do"
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"
