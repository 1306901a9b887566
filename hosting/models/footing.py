"""What an instance stands on: all that its stack is built from and a change replaces."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from hosting.models.instance import Instance


@dataclass(frozen=True, slots=True)
class Footing:
    """Data, app and plan of an instance, as they are or are to be; named as its own fields."""

    generation: int
    version: str
    definition: Mapping[str, Any] = field(repr=False)
    image_pins: Mapping[str, str] = field(repr=False)
    plan_id: uuid.UUID | int

    @classmethod
    def of(cls, instance: Instance) -> Footing:
        """What it stands on now."""
        return cls(**{each.name: getattr(instance, each.name) for each in fields(cls)})

    def put_under(self, instance: Instance) -> None:
        """Have the instance stand on it; not saved."""
        for each in fields(self):
            setattr(instance, each.name, getattr(self, each.name))

    def carrying(self, instance: Instance) -> Instance:
        """A copy of the instance that stands on it, to build its stack from; never to be saved."""
        carried = copy.copy(instance)
        carried._state = copy.copy(instance._state)  # what the copy loads is not the instance's
        carried._state.fields_cache = dict(instance._state.fields_cache)
        self.put_under(carried)
        return carried
