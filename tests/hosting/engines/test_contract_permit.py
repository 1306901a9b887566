"""An engine that asks for leave before each change: tried on each of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from hosting.engines.base import Engine
from tests.hosting.engines.doors import COUNT, SAY
from tests.hosting.engines.looking import all_run
from tests.hosting.engines.stacks import Stacks, service
from tests.hosting.engines.tars import SOME

SILENCE = timedelta(seconds=20)


class Withdrawn(Exception):
    """There is no leave any more."""


class Permit:
    """Good for so many changes."""

    def __init__(self, changes: int) -> None:
        self.left = changes

    def __call__(self) -> None:
        if self.left == 0:
            raise Withdrawn
        self.left -= 1


def test_without_leave_it_changes_nothing_and_still_reads(engine: Engine, stacks: Stacks) -> None:
    stack = stacks.pair()
    permitted = engine.permitted(Permit(0))
    for verb in (permitted.prepare, permitted.apply):
        try:
            verb(stack)
        except Withdrawn:
            continue
        raise AssertionError(f"{verb} changed something")
    assert permitted.observe(stack.instance).is_gone
    assert permitted.capacity() is not None
    permitted.close()


def test_leave_that_ends_in_between_stops_it_at_the_next_change(
    engine: Engine, stacks: Stacks
) -> None:
    stack = stacks.pair()
    permitted = engine.permitted(Permit(2))
    try:
        permitted.apply(stack)
    except Withdrawn:
        assert not engine.observe(stack.instance).services
    else:
        raise AssertionError("it went on")
    finally:
        permitted.close()
    engine.apply(stack)
    assert all_run(engine, stack)


def test_with_leave_it_does_what_it_always_does(engine: Engine, stacks: Stacks) -> None:
    stack = stacks.pair()
    permitted = engine.permitted(Permit(1000))
    permitted.apply(stack)
    assert all_run(engine, stack)
    permitted.remove(stack.instance, with_volumes=True)
    assert engine.observe(stack.instance).is_gone
    permitted.close()


def test_leave_that_ends_while_it_streams_ends_the_stream(engine: Engine, stacks: Stacks) -> None:
    """What the worker itself had begun is taken back all the same."""
    stack = stacks.make(service("web"))
    engine.apply(stack)
    permit = Permit(1000)
    permitted = engine.permitted(permit)

    def withdrawing() -> Iterator[bytes]:
        yield SOME[:10_000]
        permit.left = 0
        yield SOME[10_000:]

    with pytest.raises(Withdrawn):
        permitted.feed(stack.instance, "web", COUNT, withdrawing(), silence=SILENCE)
    permit.left = 1000
    with pytest.raises(Withdrawn):
        permitted.write_volume(stack, stack.volumes[0].name, withdrawing())
    for verb in (permitted.pause, permitted.resume):
        with pytest.raises(Withdrawn):
            verb(stack.instance, "web")
    with pytest.raises(Withdrawn):
        next(permitted.read(stack.instance, "web", SAY, silence=SILENCE))
    assert [each.name for each in engine.observe(stack.instance).services] == ["web"]
    assert all_run(engine, stack)
    permitted.close()
