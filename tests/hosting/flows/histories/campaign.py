"""Playing many histories.

``BERTH_HISTORIES`` says how many in all (400 if unset), ``BERTH_HISTORIES_SEED`` which (the
same ones each time if unset). What fails is printed as the calls that lead to it, shortened.
"""

from __future__ import annotations

import os
import time

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.hosting.flows.histories.machine import Histories
from tests.hosting.flows.histories.stage import Stage

FILES = 2  # test modules that share the histories, so that two workers can play at once
RULES = 12


def play(machine: type[Histories], stage: Stage, *, seed: int) -> None:
    """Play this module's share of histories on the stage, and say what they were made of."""
    count = max(1, int(os.environ.get("BERTH_HISTORIES", "400")) // FILES)

    def begin() -> Histories:
        return machine(stage)

    # How Hypothesis is told the seed of a state machine that is not a class.
    begin._hypothesis_internal_use_seed = (  # type: ignore[attr-defined]
        int(os.environ.get("BERTH_HISTORIES_SEED", "0")) + seed
    )
    began = time.process_time()
    run_state_machine_as_test(
        begin,  # type: ignore[arg-type]  # a class or a function, says its documentation
        settings=settings(
            max_examples=count,
            stateful_step_count=RULES,
            database=None,
            deadline=None,
            print_blob=True,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
    spent = time.process_time() - began
    print(f"\n{machine.__name__}: {dict(stage.tally)}, died at {len(stage.crashed_at)} places")
    print(f"{spent:.0f} s of CPU in Python")
    assert stage.tally["histories"] >= count
    assert stage.crashed_at
