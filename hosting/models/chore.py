"""Work that comes back, as rows: due and not yet done, whoever asks and however often."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Chore(models.Model):
    """Something that has to be done every so often. Claimed by moving ``due_at`` on."""

    name = models.CharField(max_length=80, primary_key=True)
    due_at = models.DateTimeField()
    last_began_at = models.DateTimeField(null=True, blank=True)
    last_ended_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)

    objects: ClassVar[models.Manager[Chore]] = models.Manager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
