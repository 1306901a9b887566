"""What the edge should show, counted, so that a change can wait until it is live."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class EdgeState(models.Model):
    """One row: the newest wanted revision of the edge's configuration, and the newest live one."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    wanted = models.PositiveBigIntegerField(default=0)
    live = models.PositiveBigIntegerField(default=0)
    published_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)

    objects: ClassVar[models.Manager[EdgeState]] = models.Manager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=models.Q(id=1), name="edge_state_is_one_row"),
        )

    def __str__(self) -> str:
        return f"edge revision {self.live} of {self.wanted}"
