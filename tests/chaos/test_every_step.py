"""Whatever the worker was doing when it was killed, another one ends it, and right."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hosting.flows.moments import Moment
from hosting.flows.working.runner import FLOWS
from tests.chaos.conftest import Program

pytestmark = [pytest.mark.docker, pytest.mark.slow]


@pytest.mark.timeout(1800)
def test_it_survives_the_death_of_its_worker_at_every_moment_of_every_step_and_before_every_call(
    begin: Callable[..., Program], held: Callable[[Program], str]
) -> None:
    report = held(begin("every-step"))
    steps = [(flow.kind, step.name) for flow in FLOWS.values() for step in flow.steps]
    cells = [line.split() for line in report.splitlines()]
    rows = {(each[0], each[1]): each[2:] for each in cells if len(each) == 2 + len(Moment)}
    assert set(rows) >= set(steps)  # nothing was left out of the table
    for step in steps:
        before, within, done, after = rows[step]
        assert (before, done, after) == ("survived",) * 3
        assert within in ("survived", "n/a")
    assert sum(rows[step][1] == "n/a" for step in steps) <= len(steps) // 4
    with_calls = {each[0] for each in cells if len(each) == 5 and "/" in each[1]}
    assert with_calls == set(FLOWS)  # each of them changes something on the engine
