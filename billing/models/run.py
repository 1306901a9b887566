"""Rounds of billing: those that come by themselves, and those that a person asked for."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models


class BillingRun(models.Model):
    """One round of billing: what it drafted and issued, while it goes on too.

    One that was asked for has ``requested_at``. A worker holds it by a lease and a fence, as it
    does an operation; ``began_at`` is when the first one took it up, or till then that moment.
    ``sums`` has, by currency, the net of what was drafted and the total of what was issued.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    drafted = models.PositiveIntegerField(default=0)
    issued = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(
        default=0, help_text="Clients that could not be billed; each says why."
    )
    remaining = models.PositiveIntegerField(
        default=0, help_text="Clients to be drafted for and drafts to be issued, as far as known."
    )
    sums = models.JSONField(default=dict, blank=True)
    refusals = models.JSONField(default=list, blank=True, help_text="Whose, and why.")
    problem = models.TextField(blank=True, help_text="What broke it off.")
    requested_at = models.DateTimeField(null=True, blank=True)
    requested_by_label = models.CharField("asked for by", max_length=200, blank=True)
    fence = models.PositiveIntegerField(default=0, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[models.Manager[BillingRun]] = models.Manager()

    class Meta:
        ordering = ("-began_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("ended_at",),
                condition=models.Q(requested_at__isnull=False, ended_at=None),
                nulls_distinct=False,
                name="one_requested_run_at_once",
            ),
        )

    def __str__(self) -> str:
        return f"billing run of {self.began_at:%Y-%m-%d %H:%M}"

    @property
    def is_waiting(self) -> bool:
        """Whether it was asked for, and no worker has taken it up yet."""
        return self.requested_at is not None and self.ended_at is None and not self.fence

    @property
    def done(self) -> int:
        """How many drafts were made and issued, and how many clients could not be billed."""
        return self.drafted + self.issued + self.refused
