"""To which moments there is a way, and what has to stay for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from hosting.models import Incident, Instance, JournalChapter, Plan, Restore, SecondPlace
from hosting.selectors.saving import journals as reading
from hosting.selectors.saving.journals import Span
from hosting.services.saving import backups, journal_alarm, journal_chapters, journals, restores
from hosting.services.working import operations
from tenants.errors import Refused
from tenants.services.actors import Actor
from tests.hosting.journaled import base, journal, piece

pytestmark = pytest.mark.django_db
Order = Callable[..., Instance]
NOW = datetime(2026, 3, 20, 12, 0, 30, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@pytest.fixture
def book(order: Order, memory_server: object) -> Instance:
    """An instance that has been running for long, on a plan with seven days."""
    Plan.objects.update(point_in_time_days=7, keep_daily=1, keep_weekly=0, keep_monthly=0)
    instance = order("book")
    instance.operations.update(state="succeeded", finished_at=NOW)
    Instance.objects.update(first_running_at=NOW - 30 * DAY, state="running")
    instance.refresh_from_db()
    return Instance.objects.get(pk=instance.pk)


def test_every_moment_from_the_first_base_on_can_be_restored(book: Instance) -> None:
    kept = journal(book, NOW)
    assert reading.spans(book) == []
    first = base(kept, NOW - 2 * DAY)
    second = base(kept, NOW - DAY, first=4)
    assert reading.spans(book) == [Span(NOW - 2 * DAY, NOW)]
    assert reading.backup_for(book, NOW - 2 * DAY) == first.backup
    assert reading.backup_for(book, NOW - DAY - MINUTE) == first.backup
    assert reading.backup_for(book, NOW) == second.backup
    assert reading.backup_for(book, NOW + MINUTE) is None
    assert reading.backup_for(book, NOW - 2 * DAY - MINUTE) is None


def test_a_gap_and_other_data_are_no_way(book: Instance) -> None:
    old = journal(book, NOW - 3 * DAY, ended_at=NOW - 3 * DAY)
    base(old, NOW - 5 * DAY)
    new = journal(book, NOW, generation=2)
    base(new, NOW - DAY)
    assert reading.spans(book) == [
        Span(NOW - 5 * DAY, NOW - 3 * DAY),
        Span(NOW - DAY, NOW),
    ]
    assert reading.backup_for(book, NOW - 2 * DAY) is None


@pytest.mark.parametrize(
    "changes", [{"verified_at": None}, {"removed_at": NOW}, {"trigger": "asked", "removed_at": NOW}]
)
def test_only_a_good_backup_is_followed_from(book: Instance, changes: dict[str, Any]) -> None:
    base(journal(book, NOW), NOW - DAY, **changes)
    assert reading.spans(book) == []


def test_one_that_only_the_second_place_has_is_kept_and_not_followed_from(book: Instance) -> None:
    kept = journal(book, NOW)
    chapter = JournalChapter.objects.create(instance=book, number=1)
    piece(kept, chapter, 2)
    found = base(kept, NOW - DAY, lost_at=NOW)
    assert (reading.spans(book), reading.backup_for(book, NOW)) == ([], None)
    assert not reading.has_base(kept)
    journals.begin_elsewhere(instance=book)
    journal_chapters.let_go_of_chapters(instance=book, now=NOW)
    kept.refresh_from_db()
    chapter.refresh_from_db()
    assert (kept.ended_at is not None, chapter.is_closed, chapter.let_go_at) == (True, True, None)
    assert reading.needed_bases(book, now=NOW) == {found}


def test_a_base_that_nothing_was_stored_after_leads_nowhere(book: Instance) -> None:
    base(journal(book, NOW - DAY), NOW)
    base(journal(book, None, service="other"), NOW)
    assert reading.spans(book) == []


def test_two_databases_can_be_brought_only_where_both_can(book: Instance) -> None:
    one = base(journal(book, NOW), NOW - DAY)
    other = base(journal(book, NOW - MINUTE, service="other"), NOW - DAY + MINUTE)
    other.backup = one.backup
    other.save()
    assert reading.spans(book) == [Span(NOW - DAY + MINUTE, NOW - MINUTE)]
    assert reading.archived_until(book) == NOW - MINUTE


def test_a_moment_is_asked_for(book: Instance, actor: Actor) -> None:
    found = base(journal(book, NOW), NOW - DAY)
    at = NOW - timedelta(hours=3)
    made = restores.request_to(instance=book, at=at, actor=actor)
    assert (made.backup, made.target_at) == (found.backup, at)
    assert (made.from_generation, made.to_generation) == (1, 2)
    assert made.operation.kind == "restore"


@pytest.mark.parametrize("at", [NOW + MINUTE, NOW - DAY - MINUTE, NOW - 300 * DAY])
def test_any_other_moment_is_refused_with_those_that_can_be(
    book: Instance, actor: Actor, at: datetime
) -> None:
    base(journal(book, NOW), NOW - DAY)
    with pytest.raises(Refused) as refused:
        restores.request_to(instance=book, at=at, actor=actor)
    assert refused.value.message == (
        "book can be restored to any moment from 2026-03-19 13:00:30 to 2026-03-20 13:00:30."
    ), "in the client's zone"
    assert refused.value.field == "at"
    assert not Restore.objects.exists()


def test_it_is_refused_where_the_plan_has_it_not_or_there_is_nothing_yet(
    book: Instance, actor: Actor
) -> None:
    with pytest.raises(Refused, match="book can't be restored to a minute yet"):
        restores.request_to(instance=book, at=NOW, actor=actor)
    Plan.objects.update(point_in_time_days=0)
    book = Instance.objects.get(pk=book.pk)
    with pytest.raises(Refused, match="does not offer to restore to a minute"):
        restores.request_to(instance=book, at=NOW, actor=actor)


def test_what_is_promised_stays_and_no_more(
    book: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    kept = journal(book, NOW)
    found = [base(kept, NOW - days * DAY, first=10 - days) for days in (9, 8, 6, 1)]
    # The window begins seven days ago: the base of eight days ago leads to its first moments.
    assert reading.needed_bases(book, now=NOW) == set(found[1:])
    assert journals.unneeded_bases(instance=book, now=NOW) == found[:1]
    assert backups.dispensable(instance=book) == [found[0].backup]
    journals.drop_base(base=found[0])
    found[0].backup.refresh_from_db()
    assert found[0].backup.stored == [{"snapshot": "0815aabb"}]
    Plan.objects.update(point_in_time_days=0)
    book = Instance.objects.get(pk=book.pk)
    assert reading.needed_bases(book, now=NOW) == set()
    older = {each.backup for each in found[:3]}
    assert set(backups.dispensable(instance=book)) == older  # one a day is kept


def test_a_chapter_goes_once_nothing_leads_through_it(book: Instance) -> None:
    kept = journal(book, NOW)
    chapters = [
        JournalChapter.objects.create(instance=book, number=number, is_closed=number < 4)
        for number in (1, 2, 3, 4)
    ]
    for chapter, numbers in zip(chapters, [(1, 2), (3, 4), (5, 6), (7, 8)], strict=True):
        piece(kept, chapter, *numbers)
    base(kept, NOW - DAY, first=4)
    journal_chapters.let_go_of_chapters(instance=book, now=NOW)
    assert journal_chapters.doomed_chapters(instance=book) == chapters[:1]
    assert not chapters[0].pieces.exists()
    journal_chapters.record_destroyed(chapter=chapters[0])
    journal_chapters.let_go_of_chapters(instance=book, now=NOW)
    assert journal_chapters.doomed_chapters(instance=book) == []
    journals.end_all(instance=book)
    journal_chapters.let_go_of_chapters(instance=book, now=NOW)
    assert journal_chapters.doomed_chapters(instance=book) == chapters[1:]


def test_a_journal_of_before_is_needed_as_long_as_it_was_promised(book: Instance) -> None:
    old = journal(book, NOW - 3 * DAY, ended_at=NOW - 3 * DAY)
    found = base(old, NOW - 9 * DAY)
    assert reading.needed_bases(book, now=NOW) == {found}
    assert reading.needed_bases(book, now=NOW + 4.5 * DAY) == set()


def test_the_alarm_is_on_what_can_be_restored(book: Instance) -> None:
    kept = journal(book, NOW, began_at=NOW)
    assert journal_alarm.watch(now=NOW + 0.9 * MINUTE) == 0
    assert journal_alarm.watch(now=NOW + 1.1 * MINUTE) == 1
    kept.archived_until = NOW + DAY
    kept.save()
    assert journal_alarm.watch(now=NOW + DAY) == 1  # it is up to date, and there is no base
    base(kept, NOW + DAY)
    assert journal_alarm.watch(now=NOW + DAY) == 0
    Plan.objects.update(point_in_time_days=0)
    assert journal_alarm.watch(now=NOW + 30 * DAY) == 0


def test_a_journal_that_nobody_keeps_is_told(book: Instance) -> None:
    assert journal_alarm.watch(now=NOW + 0.9 * MINUTE) == 0  # it has just come to this plan
    assert journal_alarm.watch(now=NOW + 1.1 * MINUTE) == 1
    incident = Incident.objects.get(closed_at=None)
    assert incident.kind == Incident.Kind.JOURNAL_BEHIND
    assert incident.summary.endswith(
        "can't be restored to a minute: nobody keeps the journal of db"
    )
    kept = journal(book, NOW + MINUTE, began_at=NOW + MINUTE)
    base(kept, NOW + MINUTE)
    assert journal_alarm.watch(now=NOW + 1.1 * MINUTE) == 0
    assert not Incident.objects.filter(closed_at=None).exists()
    kept.ended_at = NOW + 2 * MINUTE
    kept.save()
    assert journal_alarm.watch(now=NOW + 3.1 * MINUTE) == 1


def test_a_definition_that_cant_be_read_is_told(book: Instance) -> None:
    Instance.objects.update(definition={"name": "of another Berth"})
    assert journal_alarm.watch(now=NOW) == 1


@pytest.mark.parametrize(("state", "late"), [("running", 1), ("degraded", 1), ("stopped", 0)])
def test_the_alarm_is_on_whatever_may_be_written_to(book: Instance, state: str, late: int) -> None:
    base(journal(book, NOW, began_at=NOW), NOW)
    Instance.objects.update(state=state)
    assert journal_alarm.watch(now=NOW + 2 * MINUTE) == late


def test_a_change_is_waited_for_and_not_for_ever(book: Instance, actor: Actor) -> None:
    base(journal(book, NOW, began_at=NOW), NOW)
    with transaction.atomic():
        operations.request(instance=book, kind="restart", actor=actor)
    book.operations.filter(kind="restart").update(requested_at=NOW)
    assert journal_alarm.watch(now=NOW + 10 * MINUTE) == 0
    assert journal_alarm.watch(now=NOW + journal_alarm.AWAY_PATIENCE + MINUTE) == 1


def test_one_place_only_is_told(book: Instance, settings: Settings) -> None:
    kept = journal(book, NOW, began_at=NOW)
    base(kept, NOW)
    chapter = JournalChapter.objects.create(instance=book, number=1)
    piece(kept, chapter, 1)
    chapter.pieces.update(stored_at=NOW - journal_alarm.COPY_PATIENCE)
    assert journal_alarm.watch(now=NOW + MINUTE) == 0  # no second place is set
    settings.BERTH_BACKUP_COPY = "/off-site"
    assert journal_alarm.watch(now=NOW + MINUTE) == 0  # it was set just now
    SecondPlace.objects.update(since=NOW - 2 * DAY)
    assert journal_alarm.watch(now=NOW) == 0
    assert journal_alarm.watch(now=NOW + MINUTE) == 1
    incident = Incident.objects.get(closed_at=None)
    assert incident.kind == Incident.Kind.JOURNAL_NOT_COPIED
    assert "since 2026-03-20 11:45 UTC is in one place only" in incident.summary
    assert reading.incident_of(book) is None  # a client can be restored to every minute
    chapter.pieces.update(is_copied=True)
    assert journal_alarm.watch(now=NOW + MINUTE) == 1  # in a place of before
    JournalChapter.objects.update(copied_to="/off-site")
    assert journal_alarm.watch(now=NOW + MINUTE) == 0
