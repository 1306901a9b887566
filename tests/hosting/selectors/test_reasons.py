"""An instance's reason taken apart."""

from __future__ import annotations

import pytest

from hosting.selectors.reasons import Reason, taken_apart


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("", Reason("")),
        ("The volume data is missing.", Reason("The volume data is missing.")),
        (
            "Web does not run: it crashed. Its last words: ready / bye",
            Reason("Web does not run: it crashed.", ("ready", "bye")),
        ),
        (
            "Web does not run: it crashed. Its last words: GET /\n  bye\n",
            Reason("Web does not run: it crashed.", ("GET /", "bye")),
        ),
    ],
)
def test_a_reason_is_a_sentence_and_the_last_lines_of_a_log(reason: str, expected: Reason) -> None:
    assert taken_apart(reason) == expected
