"""Two workers, one operation: a paused one comes back after another has taken over."""

from __future__ import annotations

import argparse

from tests.chaos import evidence, pauses, verdict
from tests.chaos.fleet import Fleet
from tests.chaos.installation import Installation
from tests.chaos.lanes import side_by_side
from tests.chaos.pauses import HELD, TOO_LATE


def main(made: Installation, options: argparse.Namespace) -> bool:
    """Try every pause; say of each how it went; whether all held."""
    world = Fleet.found()
    wanted = [each for each in pauses.all_pauses() if options.only in ("", each.kind)]
    trials = [(world, number, pause) for number, pause in enumerate(wanted)]
    outcomes = side_by_side(pauses.try_pause, trials)
    for pause, outcome in outcomes:
        print(f"{pause!s:<40}{outcome}")
    faults = [f"{pause}: {said}" for pause, said in outcomes if said not in (HELD, TOO_LATE)]
    held = sum(said == HELD for _, said in outcomes)
    print(f"{held} of {len(outcomes)} pauses held; n/a: it had ended, or the step says nothing")
    faults += pauses.try_pause_in_transaction(world)
    faults += evidence.wrong_with_whole(made.owner, [world.server.endpoint])
    verdict.tell(faults)
    return not faults and held > len(outcomes) // 2
