"""The worker is killed right before each call that changes something on the engine."""

from __future__ import annotations

import argparse

from django.db import connection

from hosting.flows import runner
from tests.chaos import calls, evidence, verdict
from tests.chaos.calls import Call
from tests.chaos.deaths import Death, deaths_before
from tests.chaos.fleet import Fleet
from tests.chaos.installation import Installation
from tests.chaos.lanes import side_by_side
from tests.chaos.lives import SURVIVED, try_all
from tests.chaos.subject import ready_for, with_source


def main(made: Installation, options: argparse.Namespace) -> bool:
    """Record each kind's calls, then die before each; whether all were survived."""
    world = with_source(Fleet.found())
    recorded = _record(world)
    wanted = {kind: said for kind, said in recorded.items() if options.only in ("", kind)}
    deaths = [Death(kind, each.step, call=each.number) for kind in wanted for each in wanted[kind]]
    trials = try_all(world, [each for kind in wanted for each in deaths_before(kind, wanted[kind])])
    outcomes = {each.hit: each.outcome if each.is_well else "FAILED" for each in trials}
    called = [each for said in wanted.values() for each in said]
    for death, call in zip(deaths, called, strict=True):
        place = f"{call.step} {call.number}"
        outcome = outcomes.get(death, "not tried")
        print(f"{death.kind:<14}{place:<16}{call.said:<44}{outcome}")
    survived = sum(each.outcome == SURVIVED for each in trials)
    print(f"{survived} of {len(deaths)} deaths survived; n/a: it needed fewer calls that time")
    faults = [f"{each.hit}: {each.outcome}" for each in trials if not each.is_well]
    faults += [f"{each}: not tried" for each in {*deaths} - outcomes.keys()]
    faults += evidence.wrong_with_whole(made.owner, [world.server.endpoint])
    verdict.tell(faults)
    return not faults and survived > 0.9 * len(deaths)


def _record(world: Fleet) -> dict[str, list[Call]]:
    """What each kind asks of the engine when nobody dies."""
    said = side_by_side(_calls_of, [(world, kind) for kind in runner.FLOWS])
    return dict(zip(runner.FLOWS, said, strict=True))


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
