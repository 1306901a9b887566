"""Instances' lives, from their order to their deletion, in which workers are struck."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Protocol

from django.db import connection

from hosting.flows.working import runner
from hosting.models import Operation
from tests.chaos.fleet import Fleet
from tests.chaos.lanes import LANES, side_by_side
from tests.chaos.subject import ALONE, FIRSTS, Subject

SURVIVED, HELD, NOT_PASSED = "survived", "held", "n/a"
_Kind = Operation.Kind
LAST = _Kind.DELETE
# In a group each kind leaves the instance in the state that the next one needs.
SAVING = ((_Kind.BACKUP,), (_Kind.RESTORE, _Kind.REVERT))
CHANGING = ((_Kind.REHEARSAL, _Kind.UPGRADE),)
OTHERS = ((_Kind.STOP, _Kind.START), (_Kind.RESTART,), (_Kind.REPAIR,))


class Blow(Protocol):
    """What happens to workers amid one operation of that kind: one hit after the other."""

    @property
    def kind(self) -> str: ...

    @property
    def hits(self) -> Sequence[object]: ...

    def strike(self, subject: Subject, operation: Operation) -> list[Trial]:
        """Deal it and see the operation through; what became of each hit."""


@dataclass(frozen=True)
class Trial:
    """What became of an operation and its instance after a hit.

    It was survived, it held, there was no moment for it, or else what is wrong.
    """

    hit: object
    outcome: str

    @property
    def is_well(self) -> bool:
        return self.outcome in (SURVIVED, HELD, NOT_PASSED)


@dataclass(frozen=True)
class Life:
    """An instance's name, and the blows in it, in order: at most one at each of its ends."""

    name: str
    blows: Sequence[Blow]

    @property
    def first(self) -> str:
        """What brings the instance up."""
        firsts = (*FIRSTS, *ALONE)
        return next((each.kind for each in self.blows if each.kind in firsts), FIRSTS[0])

    @property
    def deeds(self) -> list[tuple[str, Blow | None]]:
        """What is done in it: only what a blow falls into, beside the two ends."""
        if self.first in ALONE:
            return [(self.first, self._blow_at(self.first))]
        ends = (self.first, LAST)
        between = [(each.kind, each) for each in self.blows if each.kind not in ends]
        first, last = ((kind, self._blow_at(kind)) for kind in ends)
        return [first, *between, last]

    def _blow_at(self, end: str) -> Blow | None:
        return next((each for each in self.blows if each.kind == end), None)


def try_all(world: Fleet, blows: Sequence[Blow]) -> list[Trial]:
    """All of them, some instances side by side."""
    several = side_by_side(live, [(world, life) for life in lives_for(blows)])
    return list(chain.from_iterable(several))


def lives_for(blows: Sequence[Blow]) -> list[Life]:
    """So many lives that each blow has its place in one, and no more: each has to be founded.

    Backups and what needs one come into some of them, the rest into the others.
    """
    of_kind = {kind: [each for each in blows if each.kind == kind] for kind in runner.FLOWS}
    firsts = [each for kind in FIRSTS for each in of_kind[kind]]
    alone = [[each] for kind in ALONE for each in of_kind[kind]]
    others = len(blows) - len(alone)
    count = max(len(firsts), len(of_kind[LAST]), min(2 * LANES, others))
    saved = max(LANES, min(2 * LANES, count // 2))
    lives: list[list[Blow]] = [[] for _ in range(count)]
    for ends in (firsts, of_kind[LAST]):
        _deal([ends], lives)
    for group in SAVING:
        _deal([of_kind[kind] for kind in group], lives[:saved])
    changed = saved + max(1, (count - saved) // 2)
    for group in CHANGING:
        _deal([of_kind[kind] for kind in group], lives[saved:changed] or lives)
    for group in OTHERS:
        _deal([of_kind[kind] for kind in group], lives[changed:] or lives)
    longest_first = sorted(filter(None, [*lives, *alone]), key=_hits_in, reverse=True)
    return [Life(f"life-{number}", dealt) for number, dealt in enumerate(longest_first)]


def _hits_in(life: Sequence[Blow]) -> int:
    return sum(len(each.hits) for each in life)


def _deal(kinds: Sequence[Sequence[Blow]], lives: Sequence[list[Blow]]) -> None:
    """In turn, the shortest life first; in each, the kinds one after the other and again."""
    order = sorted(lives, key=len)
    for number, life in enumerate(order):
        dealt = (each[number :: len(order)] for each in kinds)
        life.extend(each for turn in zip_longest(*dealt) for each in turn if each is not None)


def live(arguments: tuple[Fleet, Life]) -> list[Trial]:
    """Live it in a process of a pool; what became of each blow, up to one that went wrong."""
    world, life = arguments
    trials: list[Trial] = []
    try:
        trials.extend(_trials(Subject(world, life.name, first=life.first), life))
    except Exception as error:  # whatever it is belongs into the report
        tried = {each.hit for each in trials}
        untried = [hit for blow in life.blows for hit in blow.hits if hit not in tried]
        trials.append(Trial(untried[0], f"{life.name}: {type(error).__name__}: {error}"))
    finally:
        connection.close()
    return trials


def _trials(subject: Subject, life: Life) -> Iterator[Trial]:
    for kind, blow in life.deeds:
        if blow is None:
            subject.do(kind)
            continue
        operation = subject.ask(kind)
        struck = blow.strike(subject, operation)
        faults = "; ".join(subject.faults(operation))
        trials = [Trial(each.hit, faults or each.outcome) for each in struck]
        yield from trials
        if not all(each.is_well for each in trials):
            return
