"""Between any two things that a worker asks of the engine it may be killed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hosting.flows.runner import FLOWS

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(1200)]


def test_it_survives_the_death_of_its_worker_before_every_call(held: Callable[..., str]) -> None:
    report = held("every-call")
    for kind in FLOWS:
        assert any(line.split()[:1] == [kind] for line in report.splitlines())
