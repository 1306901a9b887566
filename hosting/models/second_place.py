"""Which second place backups are copied to, and since when."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class SecondPlace(models.Model):
    """One row: the second place that was last seen among the settings.

    From then on instances have the time that a new one has until they have to be there.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    location = models.TextField()
    since = models.DateTimeField()

    objects: ClassVar[models.Manager[SecondPlace]] = models.Manager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=models.Q(id=1), name="second_place_is_one_row"),
        )

    def __str__(self) -> str:
        return f"{self.location} since {self.since:%Y-%m-%d %H:%M} UTC"
