"""How many instances a rollout would reach, counted without reading each of them."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hosting.models import Instance, Server
from hosting.selectors.upgrading import rollouts

Order = Callable[[str], Instance]


@pytest.fixture
def fleet(order: Order, memory_server: Server) -> list[Instance]:
    """Twelve that run."""
    found = [order(f"i{number}") for number in range(12)]
    Instance.objects.update(state="running")
    return found


def _change(instance: Instance, **values: object) -> None:
    Instance.objects.filter(pk=instance.pk).update(**values)


def test_it_counts_those_that_would_be_changed(fleet: list[Instance]) -> None:
    app = fleet[0].app
    newest, older = rollouts.offered()[app], "0.1"
    other = deepcopy(fleet[0].definition)
    other["title"] = "As it was"
    known_newer, known_older = deepcopy(other), deepcopy(other)
    known_newer["berth"]["versions"] = [{"version": older}, {"version": newest}]
    known_older["berth"]["versions"] = [{"version": newest}, {"version": older}]
    _change(fleet[0], definition=other)  # the newest version, of another catalog
    for each in fleet[1:4]:
        _change(each, version=older, definition=known_older)  # versions that the catalog lacks
    _change(fleet[4], version=older, definition=known_newer)
    _change(fleet[5], definition=other, ring="never")
    _change(fleet[6], definition=other, state="failed")
    with CaptureQueriesContext(connection) as asked:
        counts = rollouts.counts_reached()
    assert len(asked) == 2
    assert counts == {
        each: len(rollouts.reached(each, version)) for each, version in rollouts.offered().items()
    }
    assert counts[app] == 4
