"""What everything needs dies in the middle of ten provisions: all ten end right."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chaos.conftest import Program

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(1200)]

PARTS = ("redis", "postgres", "engine")


@pytest.fixture(scope="module")
def programs(begin: Callable[..., Program]) -> dict[str, Program]:
    """Side by side, each with an installation of its own: they wait a lot."""
    return {part: begin("parts", "--part", part) for part in PARTS}


@pytest.mark.parametrize("part", PARTS)
def test_ten_provisions_end_right_though_a_part_dies(
    part: str, programs: dict[str, Program], held: Callable[[Program], str]
) -> None:
    assert "all were up" in held(programs[part])
