"""A few minutes of everything at random; `make chaos` does it for longer, with other seeds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(1500)]

SEED = "20"


def test_everything_holds_after_random_orders_and_blows(held: Callable[..., str]) -> None:
    report = held("campaign", "--seed", SEED, "--minutes", "2")
    assert f"SEED={SEED}" in report
