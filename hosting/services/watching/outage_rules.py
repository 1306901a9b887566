"""When something counts as down, and what of it. Pure: numbers in, an answer out."""

from __future__ import annotations

from dataclasses import dataclass

# A server is down when nearly all that is looked at there fails; one instance alone says nothing.
FEWEST = 2
DOWN_FROM = 0.8
UP_BELOW = 0.5


@dataclass(frozen=True, slots=True)
class Count:
    """Of the instances that something carries: how many are looked at, and how many fail."""

    watched: int
    failing: int

    @property
    def share(self) -> float:
        """Of those that fail."""
        return self.failing / self.watched if self.watched else 0.0


def is_instance_down(
    *, is_down: bool, failures: int, successes: int, open_after: int, close_after: int
) -> bool:
    """Down from the n-th failure in a row on, until it was well m times in a row."""
    return successes < close_after if is_down else failures >= open_after


def is_carrier_down(*, is_down: bool, count: Count, is_suspect: bool = False) -> bool:
    """Whether what carries them (a server, the edge) is what is down, not each of them by itself.

    Begun by nearly all of at least two, or by half of them where something else speaks for it
    (``is_suspect``); over when less than half of them still fails.
    """
    if is_down:
        return count.watched > 0 and count.share >= UP_BELOW
    return count.watched >= FEWEST and count.share >= (UP_BELOW if is_suspect else DOWN_FROM)
