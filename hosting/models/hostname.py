"""Under which names the edge serves instances."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models.functions import Upper

from hosting.models.instance import Instance


class Hostname(models.Model):
    """A name under which the edge serves an instance."""

    class Kind(models.TextChoices):
        PLATFORM = "platform", "Under Berth's own domain"
        CUSTOM = "custom", "The client's own domain"

    name = models.CharField(max_length=253, unique=True)
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="hostnames")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.PLATFORM)
    is_primary = models.BooleanField(default=True)

    objects: ClassVar[models.Manager[Hostname]] = models.Manager()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(
                fields=("instance",),
                condition=models.Q(is_primary=True),
                name="one_primary_hostname",
            ),
        )
        indexes = (GinIndex(OpClass(Upper("name"), name="gin_trgm_ops"), name="hostname_by_words"),)

    def __str__(self) -> str:
        return self.name
