"""Looks at instances, made up for the tests of what becomes of them."""

from __future__ import annotations

from datetime import datetime, timedelta

from hosting.models import Instance
from hosting.services.watching import health
from hosting.services.watching.health import Look, Turn


def look(instance: Instance, at: datetime, *, up: bool = True, edge: bool = True) -> Look:
    """One that shows the app well or away; without ``edge`` it is away at its address alone."""
    return Look(
        instance=instance.pk,
        at=at,
        ended_at=at + timedelta(milliseconds=40),
        is_up=up and edge,
        is_answering=up,
        status=200 if up else None,
        ms=40 if up else None,
        public_status=200 if up and edge else None,
        public_ms=41 if up and edge else None,
        error="" if up and edge else "nothing listens there",
    )


def see(instance: Instance, pattern: str, since: datetime, *, every: int = 15) -> list[Turn]:
    """A look for every character: U up, D down, E not at the edge; the turns that came of them."""
    turns: list[Turn] = []
    for number, each in enumerate(pattern):
        at = since + timedelta(seconds=number * every)
        turns += health.record(looks=[look(instance, at, up=each != "D", edge=each != "E")])
    return turns
