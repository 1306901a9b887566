"""Whatever the worker was doing when it was killed, another one ends it, and right."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hosting.flows.runner import FLOWS

pytestmark = [pytest.mark.docker, pytest.mark.slow]


@pytest.mark.timeout(1800)
def test_it_survives_the_death_of_its_worker_in_every_step_and_right_after_it(
    held: Callable[..., str],
) -> None:
    report = held("every-step", "--brief")
    steps = [(flow.kind, step.name) for flow in FLOWS.values() for step in flow.steps]
    cells = [line.split() for line in report.splitlines()]
    rows = {(each[0], each[1]): each[2:] for each in cells if len(each) == 4}
    assert set(rows) >= set(steps)  # nothing was left out of the table
    for step in steps:
        within, done = rows[step]
        assert within in ("survived", "n/a")
        assert done == "survived"
    assert sum(rows[step][0] == "n/a" for step in steps) <= len(steps) // 4
