"""The journals of databases: what lies in the store of them, and since when without a gap."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from hosting.models.backup import Backup
from hosting.models.instance import Instance


class JournalChapter(models.Model):
    """A repository that holds a stretch of an instance's journals, and is removed as a whole.

    One that all of it went into would have a snapshot for every 20 seconds of years.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    instance = models.ForeignKey(
        Instance, on_delete=models.PROTECT, related_name="journal_chapters"
    )
    number = models.PositiveIntegerField()
    began_at = models.DateTimeField(default=timezone.now)
    made_at = models.DateTimeField(null=True, blank=True)
    is_closed = models.BooleanField(default=False, help_text="Nothing is added to it any more.")
    let_go_at = models.DateTimeField(
        null=True, blank=True, help_text="From then on it counts for nothing, and is removed."
    )
    destroyed_at = models.DateTimeField(null=True, blank=True)
    copied_to = models.TextField(
        blank=True, default="", help_text="The second place that its copied pieces are in."
    )

    objects: ClassVar[models.Manager[JournalChapter]] = models.Manager()

    class Meta:
        ordering = ("number",)
        constraints = (
            models.UniqueConstraint(fields=("instance", "number"), name="chapters_are_numbered"),
            models.UniqueConstraint(
                fields=("instance",), condition=Q(is_closed=False), name="one_open_chapter"
            ),
        )

    def __str__(self) -> str:
        return self.path

    @property
    def path(self) -> str:
        """Where it is, below the target: beside the repository of the instance's backups."""
        return f"{self.instance.client_id}/{self.instance_id}.journal-{self.number}"


class Journal(models.Model):
    """The journal of one database service without a gap: from any base in it, to any moment of it.

    A gap, and other data under the instance, begin another one.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="journals")
    service = models.CharField(max_length=63)
    generation = models.PositiveIntegerField()
    began_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_why = models.TextField(blank=True, default="")
    archived_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The store holds everything that was committed up to then, by the database's"
        " clock.",
    )
    last_segment = models.CharField(max_length=24, blank=True, default="")
    snapshot = models.TextField(
        blank=True, default="", help_text="Which transactions there were when it was last fetched."
    )
    due_at = models.DateTimeField(default=timezone.now, help_text="When it is fetched next.")
    token = models.UUIDField(null=True, blank=True, help_text="Of whoever fetches it now.")
    trouble = models.TextField(
        blank=True, default="", help_text="Why it could not be fetched the last time."
    )
    is_unkept = models.BooleanField(
        default=False, help_text="Its database keeps no journal until it is started anew."
    )

    objects: ClassVar[models.Manager[Journal]] = models.Manager()

    class Meta:
        ordering = ("-began_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("instance", "service"),
                condition=Q(ended_at=None),
                name="one_open_journal_a_service",
            ),
        )
        indexes = (
            models.Index(fields=("due_at",), condition=Q(ended_at=None), name="journal_due"),
        )

    def __str__(self) -> str:
        return f"journal of {self.instance}, {self.service}"


class JournalPiece(models.Model):
    """Segments of a journal that were stored together: a tar, as one snapshot of a chapter."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    journal = models.ForeignKey(Journal, on_delete=models.CASCADE, related_name="pieces")
    chapter = models.ForeignKey(JournalChapter, on_delete=models.PROTECT, related_name="pieces")
    names = models.JSONField(default=list, editable=False, help_text="What is in it, in order.")
    written = models.JSONField(default=dict, editable=False)
    size_bytes = models.BigIntegerField(default=0)
    stored_at = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="What was committed up to then, by the database's clock, is in this one and those"
        " before it. None where more was to come.",
    )
    is_fetched = models.BooleanField(
        default=False, help_text="Its files are gone from the server, which kept them until then."
    )
    is_copied = models.BooleanField(default=False, help_text="It is in the second place as well.")

    objects: ClassVar[models.Manager[JournalPiece]] = models.Manager()

    class Meta:
        ordering = ("stored_at",)
        indexes = (
            models.Index(fields=("journal", "stored_at"), name="piece_by_journal"),
            models.Index(fields=("journal",), condition=Q(is_fetched=False), name="piece_to_clear"),
            models.Index(fields=("chapter",), condition=Q(is_copied=False), name="piece_to_copy"),
        )

    def __str__(self) -> str:
        return f"{len(self.names)} segments of the {self.journal}"


class JournalBase(models.Model):
    """A copy of a database's files within a backup, from which its journal can be followed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    backup = models.ForeignKey(Backup, on_delete=models.CASCADE, related_name="bases")
    journal = models.ForeignKey(Journal, on_delete=models.PROTECT, related_name="bases")
    first_segment = models.CharField(max_length=24)
    began_at = models.DateTimeField(help_text="By the database's clock.")
    ended_at = models.DateTimeField(help_text="The first moment that it can be brought to.")
    written = models.JSONField(default=dict, editable=False)

    objects: ClassVar[models.Manager[JournalBase]] = models.Manager()

    class Meta:
        ordering = ("-ended_at",)
        constraints = (
            models.UniqueConstraint(fields=("backup", "journal"), name="one_base_a_journal"),
        )

    def __str__(self) -> str:
        return f"base of the {self.journal} in {self.backup}"
