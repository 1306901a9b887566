"""Restores of instances that really run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hosting.models import Backup, Instance, Operation
from hosting.services import backups, restores
from tenants.services.actors import Actor
from tests.journeys.inside import Inside

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]


# Speaks to the app the way a browser does; what it wrote is signed with the app's own key.
ASK = """
import sys, urllib.request
body = sys.argv[2].encode() if len(sys.argv) > 2 else None
request = urllib.request.Request("http://127.0.0.1:8000" + sys.argv[1], body)
request.add_header("Content-Type", "application/json")
print(urllib.request.urlopen(request, timeout=10).read().decode())
"""


def _ask(instance: Instance, *words: str) -> Any:
    return json.loads(Inside(instance).run("web", "python3", "-c", ASK, *words))


def _write(instance: Instance, text: str) -> None:
    _ask(instance, "/entries", json.dumps({"text": text}))


def _read(instance: Instance) -> list[str]:
    """The entries, which all have to be signed with the key that the app has now."""
    entries = _ask(instance, "/entries")["entries"]
    assert all(each["verified"] for each in entries)
    journal = Inside(instance).run("web", "cat", "/data/journal.txt").splitlines()
    texts = [each["text"] for each in entries]
    assert [line.split()[-1].strip("'") for line in journal] == texts
    return texts


def _back_up(instance: Instance, work_off: WorkOff, actor: Actor) -> Backup:
    backup = backups.request(instance=instance, actor=actor)
    operation = work_off(instance)
    assert operation.state == Operation.State.SUCCEEDED, operation.reason
    backup.refresh_from_db()
    return backup


def test_a_restore_brings_the_data_of_the_backup_and_one_step_goes_back(
    running: Order, work_off: WorkOff, backup_target: Path, actor: Actor
) -> None:
    instance = running("book")
    _write(instance, "ada")
    backup = _back_up(instance, work_off, actor)
    _write(instance, "bob")
    secrets = {each.name: each.reveal() for each in instance.secrets.all()}
    restore = restores.request(instance=instance, backup=backup, actor=actor)
    operation = work_off(instance)
    assert operation.state == Operation.State.SUCCEEDED, operation.reason
    assert (instance.state, instance.generation) == (Instance.State.RUNNING, 2)
    assert _read(instance) == ["ada"]
    assert secrets == {each.name: each.reveal() for each in instance.secrets.all()}
    restore.refresh_from_db()
    assert restore.checks == {"entries": {"wanted": ["1", "1"], "said": "1", "fits": True}}
    assert restore.seconds is not None and restore.kept_until is not None
    assert restore.safety is not None and restore.safety.is_good
    restores.revert(instance=instance, actor=actor)
    operation = work_off(instance)
    assert operation.state == Operation.State.SUCCEEDED, operation.reason
    assert instance.generation == 1
    assert _read(instance) == ["ada", "bob"]
