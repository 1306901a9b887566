"""A few minutes of everything at random; `make chaos` does it for longer, with other seeds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chaos.conftest import Program

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(1500)]

SEED = "20"


def test_everything_holds_after_random_orders_and_blows(
    begin: Callable[..., Program], held: Callable[[Program], str]
) -> None:
    assert f"SEED={SEED}" in held(begin("campaign", "--seed", SEED, "--minutes", "2"))
