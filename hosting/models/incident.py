"""Times when something was not well, and what was found to be different from what it should be."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.utils import timezone

from hosting.models.instance import Instance
from hosting.models.operation import Operation
from hosting.models.server import Server


class Incident(models.Model):
    """A time when a server or an instance was not well: one row however often it is noticed."""

    class Kind(models.TextChoices):
        SERVER_UNREACHABLE = "server_unreachable", "Server unreachable"
        DISK_LOW = "disk_low", "Disk nearly full"
        INSTANCE_DEGRADED = "instance_degraded", "Instance degraded"
        INSTANCE_DOWN = "instance_down", "Instance does not answer"
        PART_DOWN = "part_down", "Part of an instance does not run"
        SERVER_DOWN = "server_down", "Nothing on the server answers"
        EDGE_DOWN = "edge_down", "Public addresses do not answer"
        STRAY_OBJECTS = "stray_objects", "Objects that belong to no instance"
        FIREWALL_OPEN = "firewall_open", "Firewall rules missing"
        BACKUP_OVERDUE = "backup_overdue", "No proven backup"
        BACKUP_DAMAGED = "backup_damaged", "Backup store damaged"
        BACKUP_NOT_COPIED = "backup_not_copied", "Backup in one place only"
        RESTORE_TEST_FAILED = "restore_test_failed", "Backup could not be brought back"
        RESTORE_TEST_OVERDUE = "restore_test_overdue", "No backup brought back for long"
        JOURNAL_BEHIND = "journal_behind", "Can't be restored to every minute"
        JOURNAL_NOT_COPIED = "journal_not_copied", "Journal in one place only"
        AUDIT_LOG_BROKEN = "audit_log_broken", "Audit log tampered with"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=24, choices=Kind)
    server = models.ForeignKey(
        Server, on_delete=models.CASCADE, null=True, blank=True, related_name="incidents"
    )
    instance = models.ForeignKey(
        Instance, on_delete=models.CASCADE, null=True, blank=True, related_name="incidents"
    )
    summary = models.TextField(help_text="What is wrong, and since when, in one sentence.")
    cause = models.TextField(blank=True, default="", help_text="Why, as far as that is known.")
    opened_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[Incident]] = models.Manager()

    class Meta:
        ordering = ("-opened_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("kind", "server", "instance"),
                condition=models.Q(closed_at=None),
                nulls_distinct=False,
                name="one_open_incident_a_kind",
            ),
            models.CheckConstraint(
                condition=models.Q(server=None) | models.Q(instance=None),
                name="incident_is_about_one_thing",
            ),
            models.CheckConstraint(
                condition=models.Q(closed_at=None) | models.Q(closed_at__gte=models.F("opened_at")),
                name="incident_ends_after_it_began",
            ),
        )
        indexes = (
            models.Index(
                fields=("-opened_at",), condition=models.Q(closed_at=None), name="open_incidents"
            ),
            models.Index(
                models.F("closed_at").desc(nulls_first=True),
                models.F("opened_at").desc(),
                models.F("id").desc(),
                name="incident_open_first",
            ),
        )

    def __str__(self) -> str:
        return self.get_kind_display()

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.closed_at is None


class IncidentEvent(models.Model):
    """One line of an incident's history."""

    class Kind(models.TextChoices):
        OPENED = "opened", "Opened"
        NOTED = "noted", "Noted"
        CAUSE = "cause", "Cause found"
        CLOSED = "closed", "Over"

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField()
    kind = models.CharField(max_length=8, choices=Kind)
    text = models.TextField()

    objects: ClassVar[models.Manager[IncidentEvent]] = models.Manager()

    class Meta:
        ordering = ("at", "pk")
        indexes = (models.Index(fields=("incident", "at"), name="event_by_incident"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.text}"


class Drift(models.Model):
    """One way in which an instance was not as it should be, and what was done about it.

    Seen again in the next round, the row is the same; no longer seen, it is settled.
    """

    class Kind(models.TextChoices):
        MISSING = "missing", "Missing"
        STOPPED = "stopped", "Stopped"
        PAUSED = "paused", "Paused"
        LOOPING = "looping", "Ends again and again"
        UNHEALTHY = "unhealthy", "Unhealthy"
        CHANGED = "changed", "Changed by hand"
        DISCONNECTED = "disconnected", "Cut off from its network"
        SURPLUS = "surplus", "Not part of the instance"
        RUNS = "runs", "Runs although stopped"
        NETWORK_MISSING = "network_missing", "Network missing"
        VOLUME_MISSING = "volume_missing", "Volume missing"

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="drifts")
    kind = models.CharField(max_length=16, choices=Kind)
    subject = models.CharField(max_length=200, help_text="The service, network or volume.")
    found = models.TextField(help_text="What was found, in one sentence.")
    done = models.TextField(blank=True, help_text="What was done about it.")
    operation = models.ForeignKey(
        Operation, on_delete=models.SET_NULL, null=True, blank=True, related_name="drifts"
    )
    found_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    settled_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[Drift]] = models.Manager()

    class Meta:
        ordering = ("-found_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("instance", "kind", "subject"),
                condition=models.Q(settled_at=None),
                name="one_open_drift_a_subject",
            ),
        )
        indexes = (models.Index(fields=("instance", "-found_at"), name="drift_by_instance"),)

    def __str__(self) -> str:
        return f"{self.subject}: {self.get_kind_display().lower()}"
