"""What a restore or an upgrade has left at an instance, in words for the client."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from hosting.models import Instance, Move, Operation, Upgrade
from hosting.selectors import moves as reading
from hosting.selectors import reasons


@dataclass(frozen=True, slots=True)
class Restored:
    """``move`` can be taken back still; from ``troubled`` the app did not come back."""

    move: Move | None
    troubled: Move | None

    @property
    def is_upgrade(self) -> bool:
        """Whether it was an upgrade; otherwise a backup was put back."""
        return isinstance(self.move, Upgrade)

    @property
    def troubled_by_upgrade(self) -> bool:
        """Whether it was an upgrade that the app did not come back from."""
        return isinstance(self.troubled, Upgrade)

    @property
    def took(self) -> timedelta | None:
        """How long the instance was away for it."""
        seconds = self.move.seconds if self.move else None
        return None if seconds is None else timedelta(seconds=seconds)

    @property
    def trouble(self) -> str:
        """What did not come back, in a sentence."""
        sentence = reasons.taken_apart(self.troubled.trouble if self.troubled else "").sentence
        return f"{sentence[:1].upper()}{sentence[1:]}"

    @property
    def troubled_by(self) -> Operation | None:
        """The operation that was taken back: the move, or the way back from it."""
        if self.troubled is None:
            return None
        return self.troubled.reverted_by or self.troubled.operation

    def what_shows(self) -> tuple[object, ...]:
        """What can change about it on a page."""
        kept_until = self.move.kept_until if self.move else None
        return (self.move and self.move.pk, kept_until, self.trouble)


def restored_of(instance: Instance, *, now: datetime) -> Restored:
    """As of that moment. Two queries; some more for an instance that is not well."""
    return Restored(
        move=reading.reversible(instance=instance, now=now),
        troubled=reading.troubled(instance=instance),
    )
