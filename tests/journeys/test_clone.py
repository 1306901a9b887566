"""New instances from backups of ones that really ran."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hosting.models import Instance, Operation
from hosting.services import instances
from hosting.services.saving import clones
from tenants.services.actors import Actor
from tests.journeys.guestbook import back_up, done, read, write

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]


def _secrets(instance: Instance) -> dict[str, str]:
    return {each.name: each.reveal() for each in instance.secrets.all()}


def test_a_clone_has_the_data_and_the_apps_key_and_nothing_else_of_the_first(
    running: Order, work_off: WorkOff, backup_target: Path, actor: Actor
) -> None:
    book = running("book")
    write(book, "ada")
    backup = back_up(book, work_off, actor)
    write(book, "bob")
    clone = clones.request(backup=backup, name="copy", plan=book.plan.slug, actor=actor)
    assert done(work_off(clone)) == Operation.State.SUCCEEDED
    assert (clone.state, read(clone)) == (Instance.State.RUNNING, ["ada"])
    write(clone, "eve")
    assert read(book) == ["ada", "bob"]
    mine, its = _secrets(book), _secrets(clone)
    assert mine.keys() == its.keys()
    assert [name for name in mine if mine[name] == its[name]] == ["secret_key"]


def test_what_was_saved_at_rest_opens_with_passwords_of_its_own(
    running: Order, work_off: WorkOff, backup_target: Path, actor: Actor
) -> None:
    book = running("book")
    write(book, "ada")
    instances.stop(instance=book, actor=actor)
    assert done(work_off(book)) == Operation.State.SUCCEEDED
    backup = back_up(book, work_off, actor)
    assert backup.manifest["at_rest"]
    instances.delete(instance=book, confirmation="book", actor=actor)
    assert done(work_off(book)) == Operation.State.SUCCEEDED
    clone = clones.request(backup=backup, name="book", plan=book.plan.slug, actor=actor)
    assert done(work_off(clone)) == Operation.State.SUCCEEDED
    assert read(clone) == ["ada"]
    instances.restart(instance=clone, actor=actor)
    assert done(work_off(clone)) == Operation.State.SUCCEEDED
    assert read(clone) == ["ada"]
