"""Backups of instances that really run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hosting.models import Instance, Operation
from hosting.services import backups
from tenants.services.actors import Actor

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]


def test_a_backup_holds_what_the_catalog_declares(
    running: Order, work_off: WorkOff, backup_target: Path, actor: Actor
) -> None:
    instance = running("book")
    backup = backups.request(instance=instance, actor=actor)
    operation = work_off(instance)
    assert operation.state == Operation.State.SUCCEEDED, operation.reason
    backup.refresh_from_db()
    assert backup.is_good
    assert [each["path"] for each in backup.manifest["parts"]] == [
        "postgres/db/guestbook.dump",
        "volumes/data.tar",
    ]
