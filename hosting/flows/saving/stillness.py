"""Holding an instance still while it is saved, and whether it lies still by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from hosting.engines.drift import RUNNING
from hosting.engines.errors import EngineError
from hosting.flows import stacks
from hosting.flows.base import Work


def is_at_rest(work: Work) -> bool:
    """Whether nothing of it runs: then its files are what there is, and they lie still."""
    seen = work.engine.observe(work.stack.instance).services
    return not any(each.state in RUNNING for each in seen)


@contextmanager
def held_still(work: Work, *, rests: bool) -> Iterator[None]:
    """Pause what the catalog says, and let it go on whatever happens.

    A worker that dies in between leaves it paused: the next one resumes it at its end, and where
    the operation has ended otherwise the reconciler does.
    """
    names = () if rests else stacks.definition(work.instance).berth.backup.pause
    try:
        for name in names:
            work.report(f"pausing {name}")
            work.engine.pause(work.stack.instance, name)
        yield
    finally:
        _resume(work, names)


def _resume(work: Work, names: Iterable[str]) -> None:
    """Each of them, also where another can't be."""
    errors = []
    for name in names:
        try:
            work.engine.resume(work.stack.instance, name)
        except EngineError as error:
            errors.append(error)
    if errors:
        raise errors[0]
