"""Who does something: a person or a part of Berth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenants.models import User


@dataclass(frozen=True, slots=True)
class Actor:
    """The author of a change, by name as it is now. ``id`` is empty for a part of Berth."""

    id: str
    label: str

    @classmethod
    def of(cls, user: User) -> Actor:
        """A person who is logged in."""
        label = f"{user.name} <{user.email}>" if user.name else user.email
        return cls(id=str(user.pk), label=label)

    @classmethod
    def system(cls, name: str) -> Actor:
        """A part of Berth that acts on its own, such as the reconciler."""
        return cls(id="", label=f"Berth ({name})")
