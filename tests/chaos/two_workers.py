"""Two workers, one operation: a paused one comes back after another has taken over."""

from __future__ import annotations

import argparse
from itertools import chain

from tests.chaos import evidence, pauses, verdict
from tests.chaos.fleet import Fleet
from tests.chaos.installation import Installation
from tests.chaos.lives import HELD, try_all
from tests.chaos.subject import with_source


def main(made: Installation, options: argparse.Namespace) -> bool:
    """Try every pause; say of each how it went; whether all held."""
    world = with_source(Fleet.found())
    pausing = pauses.all_pauses(instants=options.instants)
    several = [each for each in pausing if options.only in ("", each.kind)]
    wanted = [hit for each in several for hit in each.hits]
    outcomes = {trial.hit: trial for trial in try_all(world, several)}
    for pause in wanted:
        print(f"{pause!s:<40}{outcomes[pause].outcome if pause in outcomes else 'not tried'}")
    held = sum(each.outcome == HELD for each in outcomes.values())
    print(f"{held} of {len(wanted)} pauses held; n/a: it had ended, or the step says nothing")
    faults = verdict.tell(
        chain(
            (f"{each.hit}: {each.outcome}" for each in outcomes.values() if not each.is_well),
            pauses.try_pause_in_transaction(world),
            evidence.wrong_with_whole(made.owner, [world.server.endpoint]),
        )
    )
    return not faults and len(outcomes) == len(wanted) and held > len(wanted) // 2
