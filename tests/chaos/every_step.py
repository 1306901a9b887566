"""The worker is killed at every moment of every step of every kind of operation."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from hosting.flows import runner
from hosting.flows.moments import Moment
from tests.chaos import evidence, verdict
from tests.chaos.all_kinds import die_with_all_kinds
from tests.chaos.deaths import Death, all_deaths
from tests.chaos.fleet import Fleet
from tests.chaos.installation import Installation
from tests.chaos.lives import SURVIVED, Trial, try_all
from tests.chaos.subject import with_source


def main(made: Installation, options: argparse.Namespace) -> bool:
    """Try every death; print the table; whether all were survived."""
    several = [each for each in all_deaths() if options.only in ("", each.kind)]
    deaths = [hit for each in several for hit in each.hits]
    world = with_source(Fleet.found())
    trials = try_all(world, several)
    print(table(deaths, trials))
    survived = sum(each.outcome == SURVIVED for each in trials)
    print(f"{survived} of {len(deaths)} deaths survived; n/a: the step has no such moment")
    faults = [f"{each.hit}: {each.outcome}" for each in trials if not each.is_well]
    faults += [f"{each}: not tried" for each in {*deaths} - {each.hit for each in trials}]
    verdict.tell(faults)
    with_all_kinds = die_with_all_kinds(made, world)
    with_all_kinds += evidence.wrong_with_whole(made.owner, [world.server.endpoint])
    verdict.tell(with_all_kinds)
    return not faults and not with_all_kinds


def table(deaths: Iterable[Death], trials: Iterable[Trial]) -> str:
    """A line for each step, a column for each moment."""
    outcomes = {each.hit: each.outcome if each.is_well else "FAILED" for each in trials}
    lines = [f"{'operation':<14}{'step':<14}" + "".join(f"{each:<10}" for each in Moment)]
    kinds = dict.fromkeys(each.kind for each in deaths)
    steps = [(kind, step.name) for kind in kinds for step in runner.FLOWS[kind].steps]
    for kind, step in steps:
        cells = [outcomes.get(Death(kind, step, moment), "not tried") for moment in Moment]
        lines.append(f"{kind:<14}{step:<14}" + "".join(f"{each:<10}" for each in cells).rstrip())
    return "\n".join(lines)
