"""A worker that comes back from the dead changes nothing any more, and keeps nobody waiting."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chaos.conftest import Program

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(1800)]


def test_a_worker_that_was_paused_past_its_lease_changes_nothing(
    begin: Callable[..., Program], held: Callable[[Program], str]
) -> None:
    report = held(begin("two-workers"))
    assert "while a worker was frozen in a transaction, an order took" in report
