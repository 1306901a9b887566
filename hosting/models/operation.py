"""Requested changes of an instance, with their steps."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models.functions import Upper
from django.utils import timezone

from hosting.models.instance import Instance


class Operation(models.Model):
    """A change that someone asked for.

    Whoever works on it holds the lease: a row update under ``fence``, which grows with each claim,
    so that a worker that comes back late finds its number outdated and stops.
    """

    class Kind(models.TextChoices):
        PROVISION = "provision", "Provision"
        CLONE = "clone", "Set up from a backup"
        START = "start", "Start"
        STOP = "stop", "Stop"
        RESTART = "restart", "Restart"
        REPAIR = "repair", "Repair"
        BACKUP = "backup", "Back up"
        RESTORE = "restore", "Restore"
        REVERT = "revert", "Go back"
        RESTORE_TEST = "restore_test", "Restore test"
        REHEARSAL = "rehearsal", "Rehearsal"
        UPGRADE = "upgrade", "Upgrade"
        DELETE = "delete", "Delete"

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="operations")
    kind = models.CharField(max_length=12, choices=Kind)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    reason = models.TextField(
        blank=True, help_text="Why it failed, or what it is waiting for, in one sentence."
    )
    undoing = models.TextField(
        blank=True,
        default="",
        editable=False,
        help_text="Why it is being taken back; empty while it goes forward.",
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )
    requested_by_label = models.CharField(max_length=200)
    requested_at = models.DateTimeField(default=timezone.now)
    run_after = models.DateTimeField(default=timezone.now)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    attempt = models.PositiveIntegerField(default=0)
    fence = models.PositiveIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=120, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[Operation]] = models.Manager()

    class Meta:
        ordering = ("-requested_at",)
        permissions = (("cancel_operation", "Can call operations off"),)
        constraints = (
            models.UniqueConstraint(
                fields=("instance",),
                condition=models.Q(state__in=("queued", "running")),
                name="one_active_operation_per_instance",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=("queued", "running"), finished_at__isnull=True)
                | (
                    ~models.Q(state__in=("queued", "running")) & models.Q(finished_at__isnull=False)
                ),
                name="ended_operations_have_an_end",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="running") | models.Q(lease_expires_at__isnull=False),
                name="running_operations_have_a_lease",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="failed") | ~models.Q(reason=""),
                name="failed_operations_have_a_reason",
            ),
        )
        indexes = (
            models.Index(
                fields=("run_after",),
                condition=models.Q(state__in=("queued", "running")),
                name="operation_due",
            ),
            models.Index(fields=("instance", "-requested_at"), name="operation_by_instance"),
            models.Index(fields=("-requested_at", "-id"), name="operation_by_time"),
            models.Index(fields=("-finished_at",), name="operation_by_end"),
            models.Index(
                fields=("kind", "-finished_at"),
                condition=models.Q(state="succeeded"),
                name="operation_succeeded",
            ),
            GinIndex(
                OpClass(Upper("reason"), name="gin_trgm_ops"),
                OpClass(Upper("requested_by_label"), name="gin_trgm_ops"),
                name="operation_by_words",
            ),
        )

    def __str__(self) -> str:
        return self.titled(self.instance)

    def titled(self, name: object) -> str:
        """What is done to what is called so."""
        return _WITH_NAME.get(self.kind, f"{self.get_kind_display()} {{}}").format(name)

    @property
    def is_active(self) -> bool:
        """Whether it still has to end."""
        return self.state in ACTIVE_STATES


# Where the name can't simply follow the kind.
_WITH_NAME: dict[str, str] = {
    Operation.Kind.CLONE: "Set up {} from a backup",
    Operation.Kind.REVERT: "Take {} back to before its last change",
}
ACTIVE_STATES = (Operation.State.QUEUED, Operation.State.RUNNING)


class OperationStep(models.Model):
    """One step of an operation, and what it had to say."""

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=40)
    title = models.CharField(max_length=80)
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    output = models.TextField(blank=True)

    class Meta:
        ordering = ("operation", "position")
        constraints = (
            models.UniqueConstraint(fields=("operation", "name"), name="step_names_are_unique"),
            models.UniqueConstraint(fields=("operation", "position"), name="step_order_is_unique"),
        )

    def __str__(self) -> str:
        return self.title

    @property
    def takes_back(self) -> bool:
        """Whether it is one of those that take the operation back: a flow names them so."""
        return self.name.startswith("undo-")
