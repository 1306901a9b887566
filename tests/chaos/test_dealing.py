"""Nothing is left out of what workers are struck at, and each blow falls on something new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from hosting.flows.moments import Moment
from hosting.flows.working.runner import FLOWS, MAX_ATTEMPTS
from tests.chaos import deaths, pauses
from tests.chaos.calls import Call
from tests.chaos.lives import lives_for


def calls_of(kind: str) -> list[Call]:
    """As many in one step as the most that a kind makes."""
    return [Call(FLOWS[kind].steps[-1].name, number, "POST /") for number in range(1, 20)]


def everywhere(kind: str) -> Iterator[deaths.Death]:
    for step in FLOWS[kind].steps:
        yield from (deaths.Death(kind, step.name, moment) for moment in Moment)
    yield from (deaths.Death(kind, each.step, call=each.number) for each in calls_of(kind))


@pytest.mark.parametrize("kind", FLOWS)
@pytest.mark.parametrize("has_calls", [True, False])
def test_every_death_is_dealt_once_and_never_two_of_a_step_to_an_operation(
    kind: str, has_calls: bool
) -> None:
    dealt = deaths.all_deaths({kind: calls_of(kind) if has_calls else []})
    hits = Counter(hit for each in dealt for hit in each.hits)
    assert hits == Counter(each for each in everywhere(kind) if has_calls or not each.call)
    for each in dealt:
        steps = [hit.step for hit in each.hits]
        assert len(set(steps)) == len(steps)
        assert len(steps) < MAX_ATTEMPTS  # the last worker has to be allowed to end it


def test_every_step_has_its_pause_and_no_operation_too_many() -> None:
    dealt = pauses.all_pauses(instants=False)
    steps = [(hit.kind, hit.step) for each in dealt for hit in each.hits]
    assert Counter(steps) == Counter(
        (f.kind, step.name) for f in FLOWS.values() for step in f.steps
    )
    assert max(len(each.hits) for each in dealt) < MAX_ATTEMPTS


def test_every_blow_has_its_place_in_one_life() -> None:
    blows = deaths.all_deaths({kind: calls_of(kind) for kind in FLOWS})
    lived = [blow for life in lives_for(blows) for _, blow in life.deeds if blow is not None]
    assert sorted(lived, key=str) == sorted(blows, key=str)
