"""The worker is killed at every moment of every step of every kind of operation."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

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
    deaths = [each for each in all_deaths() if options.only in ("", each.kind)]
    world = with_source(Fleet.found())
    trials = try_all(world, deaths)
    print(table(deaths, trials))
    survived = sum(each.outcome == SURVIVED for each in trials)
    print(f"{survived} of {len(deaths)} deaths survived; n/a: the step has no such moment")
    faults = [f"{each.blow}: {each.outcome}" for each in trials if not each.is_well]
    faults += [f"{each}: not tried" for each in {*deaths} - {each.blow for each in trials}]
    faults += die_with_all_kinds(made, world)
    faults += evidence.wrong_with_whole(made.owner, [world.server.endpoint])
    verdict.tell(faults)
    return not faults


def table(deaths: Iterable[Death], trials: Iterable[Trial]) -> str:
    """A line for each step, a column for each moment."""
    outcomes = {each.blow: each.outcome if each.is_well else "FAILED" for each in trials}
    lines = [f"{'operation':<12}{'step':<12}" + "".join(f"{each:<10}" for each in Moment)]
    for kind, step in dict.fromkeys((each.kind, each.step) for each in deaths):
        cells = [outcomes.get(Death(kind, step, moment), "not tried") for moment in Moment]
        lines.append(f"{kind:<12}{step:<12}" + "".join(f"{each:<10}" for each in cells).rstrip())
    return "\n".join(lines)
