"""What operations ask of the engine when nobody dies: the calls before which a worker can."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

from tests.chaos import calls
from tests.chaos.calls import Call
from tests.chaos.fleet import Fleet
from tests.chaos.lanes import side_by_side
from tests.chaos.subject import ready_for


def calls_by_kind(world: Fleet, kinds: Sequence[str]) -> dict[str, list[Call]]:
    """Of one operation of each of these kinds."""
    said = side_by_side(_calls_of, [(world, kind) for kind in kinds])
    return dict(zip(kinds, said, strict=True))


def _calls_of(arguments: tuple[Fleet, str]) -> list[Call]:
    """In a process of a pool: what one kind asks."""
    world, kind = arguments
    subject = ready_for((world, f"model-{kind}", kind))
    try:
        operation = subject.ask(kind)
        with calls.recorded() as said:
            subject.work_off(operation)
        return said
    finally:
        connection.close()
