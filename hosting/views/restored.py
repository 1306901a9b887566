"""What a restore has left at an instance, in words for the client."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from hosting.models import Instance, Operation, Restore
from hosting.selectors import reasons
from hosting.selectors import restores as reading


@dataclass(frozen=True, slots=True)
class Restored:
    """``restore`` can be taken back still; from ``troubled`` the app did not come back."""

    restore: Restore | None
    troubled: Restore | None

    @property
    def took(self) -> timedelta | None:
        """How long the instance was away for it."""
        seconds = self.restore.seconds if self.restore else None
        return None if seconds is None else timedelta(seconds=seconds)

    @property
    def trouble(self) -> str:
        """What did not come back, in a sentence."""
        sentence = reasons.taken_apart(self.troubled.trouble if self.troubled else "").sentence
        return f"{sentence[:1].upper()}{sentence[1:]}"

    @property
    def troubled_by(self) -> Operation | None:
        """The operation that was taken back: the restore, or the way back from it."""
        if self.troubled is None:
            return None
        return self.troubled.reverted_by or self.troubled.operation

    def what_shows(self) -> tuple[object, ...]:
        """What can change about it on a page."""
        kept_until = self.restore.kept_until if self.restore else None
        return (self.restore and self.restore.pk, kept_until, self.trouble)


def restored_of(instance: Instance, *, now: datetime) -> Restored:
    """As of that moment. One query; two or three for an instance that is not well."""
    return Restored(
        restore=reading.reversible(instance=instance, now=now),
        troubled=reading.troubled(instance=instance),
    )
