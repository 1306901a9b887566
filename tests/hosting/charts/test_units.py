"""Numbers with their units."""

from __future__ import annotations

import pytest

from hosting.charts import units


def test_a_table_has_counts_to_the_last_one_and_measures_as_the_legend() -> None:
    assert units.COUNT.exactly(1_637_760.0) == "1,637,760"
    assert units.COUNT.exactly(0.5) == "0.5"
    assert units.BYTES.exactly(1.5 * 1024**3) == "1.5 GB"
    assert units.money("EUR").exactly(7.2) == "EUR 7.20"


@pytest.mark.parametrize(
    ("unit", "value", "expected"),
    [
        (units.BYTES, 0, "0 B"),
        (units.BYTES, 512 * 1024**2, "512 MB"),
        (units.BYTES, 1.5 * 1024**3, "1.5 GB"),
        (units.RATE, 2048, "2 KB/s"),
        (units.CORES, 0.25, "0.25 cores"),
        (units.CORES, 1.0, "1 core"),
        (units.CORES, 1.001, "1 core"),
        (units.CORES, 11.0, "11 cores"),
        (units.PERCENT, 99.95, "99.95%"),
        (units.MILLISECONDS, 43.21, "43.2 ms"),
        (units.COUNT, 950, "950"),
        (units.COUNT, 12_345, "12.3k"),
        (units.COUNT, 2_500_000, "2.5M"),
        (units.money("EUR"), 1234.5, "EUR 1,234.50"),
    ],
)
def test_a_value_is_as_short_as_it_can_be(unit: units.Unit, value: float, expected: str) -> None:
    assert unit.say(value) == expected


@pytest.mark.parametrize(
    ("unit", "value", "expected"),
    [
        (units.money("EUR"), 250_000, "EUR 250k"),
        (units.money("EUR"), 1_250_000, "EUR 1.25M"),
        (units.money("EUR"), 50, "EUR 50"),
        (units.money("EUR"), 0.05, "EUR 0.05"),
        (units.money("EUR", 6), 0.0004, "EUR 0.0004"),
        (units.money("EUR"), 0, "EUR 0"),
        (units.PERCENT, 99.95, "99.95%"),
    ],
)
def test_an_axis_has_it_shorter_still(unit: units.Unit, value: float, expected: str) -> None:
    assert unit.mark(value) == expected
