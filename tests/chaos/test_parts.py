"""What everything needs dies in the middle of ten provisions: all ten end right."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.mark.parametrize("part", ["redis", "postgres", "engine"])
def test_ten_provisions_end_right_though_a_part_dies(part: str, held: Callable[..., str]) -> None:
    report = held("parts", "--part", part)
    assert "all were up" in report
