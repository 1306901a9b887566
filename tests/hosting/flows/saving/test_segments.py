"""Whether the pieces of a journal follow upon each other."""

from __future__ import annotations

import pytest

from hosting.flows.saving import segments

ONE, TWO, THREE = (f"00000001000000000000000{number}" for number in (1, 2, 3))


@pytest.mark.parametrize(
    ("name", "next_name"),
    [
        (ONE, TWO),
        ("00000001000000000000000F", "000000010000000000000010"),
        ("0000000100000000000000FF", "000000010000000100000000"),
        ("0000000A000000FF000000FF", "0000000A0000010000000000"),
    ],
)
def test_it_knows_what_follows(name: str, next_name: str) -> None:
    assert segments.next_of(name) == next_name


def test_it_knows_where_a_piece_ends() -> None:
    assert segments.end_of("000000010000000000000003") == segments.place_of("0/4000000")
    assert segments.end_of("0000000100000016000000FF") == segments.place_of("17/0")
    assert segments.place_of("16/B374D848") == 0x16B374D848


@pytest.mark.parametrize(
    ("names", "start", "missing"),
    [
        ([ONE, TWO, THREE], ONE, None),
        ([THREE, ONE, TWO, TWO], ONE, None),  # in any order, and more than once
        ([ONE, THREE], ONE, TWO),
        ([ONE, THREE], THREE, None),  # what is missing before does not matter
        ([TWO, THREE], ONE, ONE),
        ([ONE], TWO, TWO),
        ([], ONE, ONE),
        ([ONE, f"{TWO}.00000028.backup", f"{TWO}.partial", THREE], ONE, TWO),
        ([ONE, TWO, "000000020000000000000004"], ONE, None),  # of another timeline
    ],
)
def test_it_finds_the_first_gap(names: list[str], start: str, missing: str | None) -> None:
    assert segments.gap_in(names, start=start) == missing


@pytest.mark.parametrize(
    ("name", "is_known"),
    [
        (ONE, True),
        ("00000002.history", True),
        (f"{ONE}.00000028.backup", True),
        (f"{ONE}.partial", True),
        ("../../etc/passwd", False),
        (f"{ONE}\n", False),
        ("-rf", False),
        ("", False),
    ],
)
def test_it_takes_no_other_names(name: str, is_known: bool) -> None:
    assert segments.is_known(name) is is_known
