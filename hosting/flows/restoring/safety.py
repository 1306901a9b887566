"""Saving what is there before an instance is moved away from it."""

from __future__ import annotations

from hosting.engines.errors import EngineError
from hosting.engines.restic import BROKEN
from hosting.flows.base import Work
from hosting.flows.running import generations
from hosting.flows.saving import backup as saving
from hosting.flows.saving import choosing, upkeep
from hosting.flows.saving.backup import telling_damage
from hosting.flows.saving.stillness import is_at_rest
from hosting.models import Instance
from hosting.services import moves

_WELL = (Instance.State.RUNNING, Instance.State.STOPPED)


@telling_damage
def save_before(work: Work) -> None:
    """Save what is there, if it is well; files of one that is not are saved once it is stopped."""
    if _missing_volumes(work):
        work.report("nothing is saved: part of its data is gone; what is left stays where it is")
    elif work.instance.state not in _WELL:
        work.report("it is not well: its files are saved once it is stopped")
    else:
        _save_safety(work, rests=is_at_rest(work))


@telling_damage
def save_stopped(work: Work) -> None:
    """Save the files as they lie, where nothing was saved before."""
    safety = generations.way_of(work).move.safety
    if safety is not None and safety.is_good:
        work.report("saved already")
    elif _missing_volumes(work):
        work.report("nothing is saved: part of its data is gone; what is left stays where it is")
    elif work.instance.state in _WELL and choosing.is_second(work):
        work.report("nothing is saved: the first place took nothing before either")
    else:
        _save_safety(work, rests=True)


def _missing_volumes(work: Work) -> bool:
    there = set(work.engine.observe(str(work.instance.pk)).volumes)
    return any(each.name not in there for each in work.stack.volumes if not each.is_spare)


def _save_safety(work: Work, *, rests: bool) -> None:
    """Save it. Where the second place is read, the first may be what was lost."""
    try:
        _save_at_first(work, rests=rests)
    except EngineError as error:
        is_lost = isinstance(error, BROKEN) or choosing.is_done_without(work, error)
        if not (is_lost and choosing.is_second(work)):
            raise
        upkeep.tell_if_broken(work.instance, error)
        work.report(f"nothing is saved: {error}; its data stays on the server as it is")


def _save_at_first(work: Work, *, rests: bool) -> None:
    move = generations.way_of(work).move
    saving.open_store(work)
    with work.writing():
        safety = moves.record_safety(move=move)
    if not safety.is_good:
        saving.save_into(work, safety, rests=rests)
        saving.prove_all(work, safety)
