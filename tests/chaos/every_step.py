"""The worker is killed at every moment of every step of every kind, and before every call."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from hosting.flows.moments import Moment
from hosting.flows.working import runner
from tests.chaos import evidence, verdict
from tests.chaos.all_kinds import die_with_all_kinds
from tests.chaos.calls import Call
from tests.chaos.deaths import Death, all_deaths
from tests.chaos.fleet import Fleet
from tests.chaos.installation import Installation
from tests.chaos.lives import SURVIVED, Trial, try_all
from tests.chaos.subject import with_source
from tests.chaos.undisturbed import calls_by_kind


def main(made: Installation, options: argparse.Namespace) -> bool:
    """Try every death; print the tables; whether all were survived."""
    world = with_source(Fleet.found())
    said = calls_by_kind(world, [options.only] if options.only else list(runner.FLOWS))
    several = all_deaths(said)
    deaths = [hit for each in several for hit in each.hits]
    trials = try_all(world, several)
    print(table([each for each in deaths if each.moment], trials))
    print(table_of_calls(said, trials))
    survived = {each.hit for each in trials if each.outcome == SURVIVED}
    called = {each for each in deaths if each.call}
    at_calls = len(called & survived)
    print(f"{len(survived) - at_calls} of {len(deaths) - len(called)} deaths in steps survived;")
    print(f"{at_calls} of {len(called)} before calls; n/a: it had no such moment or call that time")
    faults = verdict.tell(
        chain(
            (f"{each.hit}: {each.outcome}" for each in trials if not each.is_well),
            (f"{each}: not tried" for each in {*deaths} - {each.hit for each in trials}),
            ["too few calls were made"] if at_calls <= 0.9 * len(called) else [],
            die_with_all_kinds(made, world),
            evidence.wrong_with_whole(made.owner, [world.server.endpoint]),
        )
    )
    return not faults


def table(deaths: Iterable[Death], trials: Iterable[Trial]) -> str:
    """A line for each step, a column for each moment."""
    outcomes = _outcomes(trials)
    lines = [f"{'operation':<14}{'step':<14}" + "".join(f"{each:<10}" for each in Moment)]
    kinds = dict.fromkeys(each.kind for each in deaths)
    steps = [(kind, step.name) for kind in kinds for step in runner.FLOWS[kind].steps]
    for kind, step in steps:
        cells = [outcomes.get(Death(kind, step, moment), "not tried") for moment in Moment]
        lines.append(f"{kind:<14}{step:<14}" + "".join(f"{each:<10}" for each in cells).rstrip())
    return "\n".join(lines)


def table_of_calls(said: Mapping[str, Sequence[Call]], trials: Iterable[Trial]) -> str:
    """A line for each call, with the kind and the step that it is made in."""
    outcomes = _outcomes(trials)
    lines = []
    for kind, calls in said.items():
        for call in calls:
            outcome = outcomes.get(Death(kind, call.step, call=call.number), "not tried")
            lines.append(f"{kind:<14}{f'{call.step}/{call.number}':<16}{call.said:<44}{outcome}")
    return "\n".join(lines)


def _outcomes(trials: Iterable[Trial]) -> dict[object, str]:
    return {each.hit: each.outcome if each.is_well else "FAILED" for each in trials}
