"""Several instances of one server, and all that may happen to them; see ``histories``."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from hosting.models import Plan
from tenants.models import Client, User
from tests.hosting.flows.histories import stage
from tests.hosting.flows.histories.campaign import play
from tests.hosting.flows.histories.machine import Histories

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.slow,
    pytest.mark.no_cover,  # others count what they pass through; it takes half as long again
    pytest.mark.timeout(6 * 3600),
]


class SeveralInstances(Histories):
    most_instances = 3


def test_it_ends_every_operation_right_whatever_happens_to_several_instances(
    acme: Client,
    small: Plan,
    alice: User,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    play(SeveralInstances, stage.build(acme, small, alice, settings, monkeypatch, tmp_path), seed=2)
