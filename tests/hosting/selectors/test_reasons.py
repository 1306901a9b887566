"""An instance's reason taken apart."""

from __future__ import annotations

import pytest

from hosting.models import Operation
from hosting.selectors.reasons import Reason, taken_apart, why_ended


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


@pytest.mark.parametrize(
    ("undoing", "reason", "expected"),
    [
        ("", "It does not fit.", "It does not fit."),
        ("", "Web crashed. Its last words: ready / bye", "Web crashed."),
        ("It broke", "It broke. All is as before.", "It broke. All is as before."),
        ("It broke.", "It broke. All is as before.", "It broke. All is as before."),
        (
            "Web crashed. Its last words: ready / bye.",
            "Web crashed. Its last words: ready / bye. It is not up: gone. Its last words: a / b",
            "Web crashed. It is not up: gone.",
        ),
    ],
)
def test_why_an_operation_ended_leaves_out_every_log(
    undoing: str, reason: str, expected: str
) -> None:
    assert why_ended(Operation(undoing=undoing, reason=reason)) == expected
