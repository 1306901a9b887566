"""Changes to another version of the app or another plan."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from django.db import models

from hosting.models.footing import Footing
from hosting.models.instance import Instance
from hosting.models.move import Move
from hosting.models.plan import Plan


class Upgrade(Move):
    """One change of an instance to another version, another plan, or both.

    The new version works on a copy of the data. Where only the plan changes the data stays where it
    is, and the two generations are the same.
    """

    from_version = models.CharField(max_length=40)
    to_version = models.CharField(max_length=40)
    from_definition = models.JSONField(editable=False)
    to_definition = models.JSONField(editable=False)
    from_images = models.JSONField(default=dict, editable=False)
    to_images = models.JSONField(
        default=dict, editable=False, help_text="What the new version's images are, once fetched."
    )
    from_plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="+")
    to_plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="+")

    objects: ClassVar[models.Manager[Upgrade]] = models.Manager()

    class Meta(Move.Meta):
        permissions = (("upgrade_instance", "Can upgrade instances to other versions and plans"),)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(to_generation__gt=models.F("from_generation"))
                | models.Q(
                    to_generation=models.F("from_generation"),
                    to_version=models.F("from_version"),
                    kept_until=None,
                ),
                name="new_versions_work_on_a_copy_of_the_data",
            ),
        )

    def __str__(self) -> str:
        return f"upgrade of {self.operation.instance}"

    @property
    def told(self) -> str:
        """What changes, for a person."""
        changes = []
        if self.keeps_data:
            changes.append(f"version {self.from_version} to {self.to_version}")
        if self.from_plan_id != self.to_plan_id:
            changes.append(f"plan {self.from_plan} to {self.to_plan}")
        return ", ".join(changes)

    def origin(self, instance: Instance) -> Footing:
        """What the instance stood on before."""
        return replace(
            super().origin(instance),
            version=self.from_version,
            definition=self.from_definition,
            image_pins=self.from_images,
            plan_id=self.from_plan_id,
        )

    def goal(self, instance: Instance) -> Footing:
        """What it stands on afterwards."""
        return replace(
            super().goal(instance),
            version=self.to_version,
            definition=self.to_definition,
            image_pins=self.to_images,
            plan_id=self.to_plan_id,
        )
