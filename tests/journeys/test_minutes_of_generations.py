"""Restoring to a minute after an instance went over to other data: each has its own journal."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from hosting.models import Instance, Journal, Operation, Plan
from hosting.selectors.saving import journals as reading
from hosting.services import instances, moves
from hosting.services.saving import journals, restores
from hosting.services.upgrading import upgrades
from tenants.errors import Refused
from tenants.services.actors import Actor
from tests.journeys.guestbook import done, write
from tests.journeys.minutes import fetch, get_base, sql
from tests.journeys.shelf import change, shelf_of

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]


@pytest.fixture
def shelf(settings: Settings, tmp_path: Path) -> Path:
    return shelf_of(settings, tmp_path)


@pytest.fixture
def book(
    shelf: Path,
    small: Plan,
    running: Order,
    work_off: WorkOff,
    backup_target: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Instance:
    """One at the first version, whose journal is followed from a base; a second version is out."""
    monkeypatch.setattr(upgrades, "_refuse_unrehearsed", lambda *_: None)
    small.point_in_time_days = 7
    small.save(update_fields=["point_in_time_days"])
    instance = running("book")
    write(instance, "first")
    get_base(instance, work_off)
    return instance


def test_other_data_has_a_journal_and_soon_a_base_and_the_gap_is_shown(
    shelf: Path, book: Instance, work_off: WorkOff, actor: Actor
) -> None:
    change(shelf, versions=["2", "1"])
    upgrades.request(instance=book, version="2", plan="", actor=actor)
    assert done(work_off(book)) == Operation.State.SUCCEEDED
    _has_gone_over(book, work_off, generation=2, stretches=2)
    write(book, "second")
    moment = _moment()
    write(book, "third")
    _to(book, moment, work_off, actor)
    assert (book.version, _entries(book)) == ("2", "first second")
    _has_gone_over(book, work_off, generation=3, stretches=3)
    moves.revert(instance=book, actor=actor)
    assert done(work_off(book)) == Operation.State.SUCCEEDED
    _has_gone_over(book, work_off, generation=2, stretches=4)
    moment = _moment()
    sql(book, "DELETE FROM entries")
    _to(book, moment, work_off, actor)
    assert _entries(book) == "first second third"


def test_a_change_that_is_taken_back_goes_on_with_the_same_journal(
    shelf: Path, book: Instance, work_off: WorkOff, actor: Actor
) -> None:
    change(shelf, versions=["2", "1"], FAIL_START="1")
    upgrades.request(instance=book, version="2", plan="", actor=actor)
    assert done(work_off(book)) == Operation.State.FAILED
    write(book, "second")
    moment = _moment()
    write(book, "third")
    [kept] = Journal.objects.filter(instance=book)
    assert (kept.generation, kept.ended_at) == (1, None)
    assert len(reading.spans(book)) == 1
    _to(book, moment, work_off, actor)
    assert (book.version, _entries(book)) == ("1", "first second")


def test_it_begins_with_a_restart_where_the_plan_got_it_later(
    small: Plan, running: Order, work_off: WorkOff, backup_target: Path, actor: Actor
) -> None:
    book = running("book")
    small.point_in_time_days = 7
    small.save(update_fields=["point_in_time_days"])
    book.refresh_from_db()
    fetch(book)
    assert reading.waits_for_start(book)
    journals.request_bases(now=timezone.now())
    assert not book.backups.exists()
    instances.restart(instance=book, actor=actor)
    assert done(work_off(book)) == Operation.State.SUCCEEDED
    get_base(book, work_off)
    assert not reading.waits_for_start(book)
    assert len(reading.spans(book)) == 1


def _has_gone_over(book: Instance, work_off: WorkOff, *, generation: int, stretches: int) -> None:
    """From what was before it nothing is promised; a base is made at once, and goes on."""
    before = timezone.now()
    assert book.generation == generation
    fetch(book)
    [kept] = reading.open_of(book)
    assert kept.generation == generation
    assert len(reading.spans(book)) == stretches - 1
    assert reading.baseless_since(book) == kept.began_at
    journals.request_bases(now=timezone.now())
    assert done(work_off(book)) == Operation.State.SUCCEEDED
    fetch(book)
    spans = reading.spans(book)
    assert len(spans) == stretches
    assert spans[-2].end < before < spans[-1].start
    assert reading.baseless_since(book) is None
    with pytest.raises(Refused, match="can be restored to any moment from"):
        restores.refuse_unreachable(instance=book, at=before)


def _entries(book: Instance) -> str:
    """What its database has; files come from the backup before the moment, and are older."""
    return sql(book, "SELECT string_agg(text, ' ' ORDER BY id) FROM entries")


def _moment() -> datetime:
    """One between what was written and what is written next."""
    time.sleep(0.5)
    moment = timezone.now()
    time.sleep(0.5)
    return moment


def _to(book: Instance, moment: datetime, work_off: WorkOff, actor: Actor) -> None:
    fetch(book)
    restores.request_to(instance=book, at=moment, actor=actor)
    assert done(work_off(book)) == Operation.State.SUCCEEDED
