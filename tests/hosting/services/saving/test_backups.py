"""When backups are asked for, what becomes of them, and who is told when they are late."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from hosting.models import Backup, BackupStore, Incident, Instance, Operation, SecondPlace
from hosting.services import instances
from hosting.services.saving import backup_copies, backup_stores, backups, nights
from tenants.errors import Refused
from tenants.models import AuditEvent
from tenants.services.actors import Actor

pytestmark = pytest.mark.django_db

Order = Callable[..., Instance]
BERLIN = ZoneInfo("Europe/Berlin")  # Acme's
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
NIGHTLY = Backup.Trigger.NIGHTLY


@pytest.fixture
def book(order: Order, memory_server: object) -> Instance:
    """An instance that has run for long and holds data."""
    return settled(order("book"))


def settled(instance: Instance) -> Instance:
    instance.operations.update(state=Operation.State.SUCCEEDED, finished_at=LONG_AGO)
    instance.state, instance.first_running_at = Instance.State.RUNNING, LONG_AGO
    instance.save()
    return instance


def made(instance: Instance, at: datetime, *, proven: bool = True, **fields: object) -> Backup:
    """A backup that was made at that time."""
    return Backup.objects.create(
        instance=instance,
        trigger=NIGHTLY,
        created_at=at,
        taken_at=at,
        manifest={"format": 1},
        verified_at=at if proven else None,
        **fields,
    )


def due(now: datetime) -> list[Instance]:
    return list(nights.due(now=now))


def test_each_has_its_own_moment_in_its_clients_night(book: Instance, order: Order) -> None:
    now = datetime(2026, 7, 1, 12, tzinfo=UTC)
    moments = {
        nights.last_due_at(instance=settled(order(f"book-{number}")), now=now)
        for number in range(12)
    }
    assert len(moments) == 12
    local = [each.astimezone(BERLIN) for each in moments]  # Berlin, summer time
    assert all(each.date() == now.date() and 1 <= each.hour < 5 for each in local)


@pytest.mark.parametrize(
    ("year", "month", "day"), [(2026, 3, 29), (2026, 10, 25)], ids=["23 hours", "25 hours"]
)
def test_a_day_of_23_or_25_hours_has_one_moment(
    book: Instance, year: int, month: int, day: int
) -> None:
    start = datetime(year, month, day, tzinfo=UTC) - timedelta(hours=12)
    moments = {
        nights.last_due_at(instance=book, now=start + timedelta(minutes=10 * step))
        for step in range(6 * 36)
    }
    assert len([each for each in moments if each > start]) in (1, 2)
    assert len({each.astimezone(BERLIN).date() for each in moments}) == len(moments)


def test_it_is_due_once_a_night_and_caught_up_when_missed(book: Instance) -> None:
    now = datetime(2026, 7, 1, 12, tzinfo=UTC)
    moment = nights.last_due_at(instance=book, now=now)
    assert due(now) == [book]  # of the whole time before none was made
    made(book, moment - timedelta(minutes=1))
    assert due(now) == [book]
    made(book, moment + timedelta(minutes=1))
    assert due(now) == []
    assert due(moment + timedelta(days=1, seconds=-1)) == []
    assert due(moment + timedelta(days=1)) == [book]


def test_one_that_failed_is_tried_again_after_an_hour(book: Instance) -> None:
    now = datetime(2026, 7, 1, 12, tzinfo=UTC)
    made(book, now - timedelta(minutes=59), proven=False)
    assert due(now) == []
    assert due(now + timedelta(minutes=1)) == [book]


def test_what_holds_nothing_or_is_to_go_is_not_backed_up(book: Instance, order: Order) -> None:
    now = datetime(2026, 7, 1, 12, tzinfo=UTC)
    order("never-ran")
    assert due(now) == [book]
    book.delete_requested_at = now
    book.save()
    assert due(now) == []


@pytest.mark.parametrize("state", ["running", "degraded", "stopped", "failed"])
def test_it_is_backed_up_whatever_state_it_is_in(book: Instance, state: str) -> None:
    book.state = state
    book.save()
    assert nights.request_nightly(now=timezone.now()) == 1
    backup = Backup.objects.get()
    assert (backup.trigger, backup.instance) == (NIGHTLY, book)
    assert backup.operation is not None
    assert backup.operation.kind == Operation.Kind.BACKUP
    assert nights.request_nightly(now=timezone.now()) == 0  # whoever else asks


def test_a_busy_one_is_asked_again_later(book: Instance, actor: Actor) -> None:
    instances.restart(instance=book, actor=actor)
    assert nights.request_nightly(now=timezone.now()) == 0
    assert not Backup.objects.exists()
    book.operations.update(state=Operation.State.SUCCEEDED, finished_at=timezone.now())
    assert nights.request_nightly(now=timezone.now()) == 1


def test_a_nightly_one_that_waits_gives_way_to_a_person(book: Instance, actor: Actor) -> None:
    nights.request_nightly(now=timezone.now())
    instances.restart(instance=book, actor=actor)
    given = Operation.objects.get(kind=Operation.Kind.BACKUP)
    assert (given.state, given.reason) == ("cancelled", "Gave way to “Restart”.")
    assert nights.request_nightly(now=timezone.now() + timedelta(hours=2)) == 0  # it is busy


def test_asking_needs_an_instance_with_data(order: Order, actor: Actor, book: Instance) -> None:
    with pytest.raises(Refused, match="busy"):
        backups.request(instance=order("new"), actor=actor)
    book.first_running_at = None
    book.save()
    with pytest.raises(Refused, match="“Back up” is not possible now"):
        backups.request(instance=book, actor=actor)
    assert not Backup.objects.exists()


def test_due_takes_one_query_for_any_number(book: Instance, order: Order) -> None:
    for number in range(5):
        settled(order(f"book-{number}"))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert len(due(timezone.now())) == 6
    assert len(queries) == 1


def test_retention_lets_go_of_old_ones_and_of_what_was_never_proven(book: Instance) -> None:
    book.plan.keep_daily, book.plan.keep_weekly, book.plan.keep_monthly = 2, 0, 0
    now = timezone.now()
    nights = [made(book, now - timedelta(days=ago)) for ago in range(4)]
    nights[3].is_pinned = True
    nights[3].save()
    failed = made(book, now - timedelta(hours=1), proven=False)
    waiting = backups.request(instance=book, actor=Actor.system("test"))
    gone = backups.dispensable(instance=book)
    assert AuditEvent.objects.filter(action="backup.removed").count() == 0
    assert {each.pk for each in gone} == {nights[2].pk, failed.pk}
    assert all(backups.let_go_of(backup=each) for each in gone)
    assert not backups.let_go_of(backup=nights[3])  # it is pinned
    assert AuditEvent.objects.filter(action="backup.removed").count() == 2
    assert set(backups.lately_let_go(instance=book)) == set(gone)
    assert backups.dispensable(instance=book) == []
    assert not nights[2].__class__.objects.get(pk=nights[2].pk).is_good
    assert waiting.pk not in {each.pk for each in gone}


def test_only_a_good_one_can_be_kept(book: Instance, actor: Actor) -> None:
    good = made(book, timezone.now())
    backups.set_pinned(backup=good, is_pinned=True, actor=actor)
    good.refresh_from_db()
    assert good.is_pinned
    assert AuditEvent.objects.filter(action="backup.pinned").count() == 1
    unproven = made(book, timezone.now(), proven=False)
    with pytest.raises(Refused, match="Only a backup that was verified"):
        backups.set_pinned(backup=unproven, is_pinned=True, actor=actor)


def test_the_alarm_is_on_the_age_of_the_last_proven_one(book: Instance, settings: Settings) -> None:
    settings.BERTH_BACKUP_MAX_AGE = timedelta(hours=26)
    now = timezone.now()
    open_ones = Incident.objects.filter(kind=Incident.Kind.BACKUP_OVERDUE, closed_at=None)
    assert backup_stores.watch_ages(now=now) == 1
    assert open_ones.get().summary == "acme/book has no proven backup at all"
    made(book, now, proven=False)  # that it was tried changes nothing
    assert backup_stores.watch_ages(now=now) == 1
    made(book, now - timedelta(hours=25))
    assert backup_stores.watch_ages(now=now) == 0
    assert not open_ones.exists()
    assert backup_stores.watch_ages(now=now + timedelta(hours=2)) == 1
    assert "has no proven backup since" in open_ones.get().summary
    gone = Backup.objects.filter(verified_at__isnull=False)
    gone.update(removed_at=now)
    made(book, now - timedelta(hours=1), removed_at=now)  # and one that was let go is none
    assert backup_stores.watch_ages(now=now) == 1


def test_the_second_place_has_an_alarm_of_its_own(book: Instance, settings: Settings) -> None:
    settings.BERTH_BACKUP_MAX_AGE = timedelta(hours=26)
    now = timezone.now()
    open_ones = Incident.objects.filter(kind=Incident.Kind.BACKUP_NOT_COPIED, closed_at=None)
    made(book, now)
    assert backup_copies.watch(now=now) == 0  # there is no second place
    settings.BERTH_BACKUP_COPY = "/somewhere/else"
    SecondPlace.objects.create(location="/somewhere/else", since=now - timedelta(hours=27))
    assert backup_copies.watch(now=now) == 1
    assert open_ones.get().summary == "acme/book has no backup in the second place at all"
    assert backup_stores.watch_ages(now=now) == 0
    Backup.objects.update(copied_at=now, copied_to=settings.BERTH_BACKUP_COPY)
    assert backup_copies.watch(now=now) == 0
    assert not open_ones.exists()
    later = now + timedelta(hours=27)
    made(book, later)
    assert backup_copies.watch(now=later) == 1
    assert "has no backup in the second place since" in open_ones.get().summary
    settings.BERTH_BACKUP_COPY = ""
    assert backup_copies.watch(now=later) == 0
    assert not open_ones.exists()


def test_a_new_second_place_is_given_its_first_night(book: Instance, settings: Settings) -> None:
    settings.BERTH_BACKUP_MAX_AGE = timedelta(hours=26)
    now = timezone.now()
    for place in ("/one", "/other"):
        settings.BERTH_BACKUP_COPY = place
        assert backup_copies.watch(now=now) == 0
        assert backup_copies.watch(now=now + timedelta(hours=26)) == 0
        now += timedelta(hours=27)
        assert backup_copies.watch(now=now) == 1
    BackupStore.objects.create(instance=book, password="of-it", copy_trouble="It is lost.")
    settings.BERTH_BACKUP_COPY = "/third"
    assert backup_copies.watch(now=now) == 1  # what is broken is told at once


def test_a_young_instance_is_given_its_first_night(book: Instance, settings: Settings) -> None:
    book.first_running_at = timezone.now() - timedelta(hours=3)
    book.save()
    assert backup_stores.watch_ages(now=timezone.now()) == 0


def test_a_store_is_made_once_and_its_password_is_its_own(book: Instance, order: Order) -> None:
    store = backups.store_of(instance=book)
    assert backups.store_of(instance=book).pk == store.pk
    other = backups.store_of(instance=settled(order("other")))
    assert store.password != other.password
    assert len(store.password) >= 40
    assert store.path == f"{book.client_id}/{book.pk}"


def test_it_is_pruned_once_a_week_in_the_morning(book: Instance) -> None:
    store = backups.store_of(instance=book)
    now = datetime(2027, 1, 10, 5, 0, tzinfo=UTC)  # six in Berlin
    assert list(backup_stores.take_prunable(now=now)) == []  # there is no repository yet
    backups.record_made(instance=book)
    assert list(backup_stores.take_prunable(now=now + timedelta(hours=6))) == []
    assert list(backup_stores.take_prunable(now=now)) == [store]
    assert list(backup_stores.take_prunable(now=now)) == []  # somebody does it
    backup_stores.record_pruned(store=store, now=now)
    assert list(backup_stores.take_prunable(now=now + timedelta(days=6))) == []
    assert list(backup_stores.take_prunable(now=now + timedelta(days=7))) == [store]
    assert list(backup_stores.take_prunable(now=now + timedelta(days=8))) == [store]  # it failed


def test_what_was_deleted_long_ago_is_destroyed(book: Instance, settings: Settings) -> None:
    settings.BERTH_BACKUPS_AFTER_DELETION = timedelta(days=30)
    store = backups.store_of(instance=book)
    backup = made(book, timezone.now())
    assert list(backup_stores.destroyable(now=timezone.now())) == []
    book.state, book.deleted_at = Instance.State.DELETED, timezone.now() - timedelta(days=31)
    book.save()
    assert list(backup_stores.destroyable(now=timezone.now())) == [store]
    backup_stores.record_destroyed(store=store)
    assert list(backup_stores.destroyable(now=timezone.now())) == []
    assert BackupStore.objects.get().password == ""
    backup.refresh_from_db()
    assert not backup.is_good


def test_nobody_keeps_or_asks_for_more_than_there_is_a_place_for(
    book: Instance, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "MOST_PINNED", 1)
    monkeypatch.setattr(backups, "MOST_ASKED_A_DAY", 1)
    first, second = (made(book, timezone.now()) for _ in range(2))
    backups.set_pinned(backup=first, is_pinned=True, actor=actor)
    with pytest.raises(Refused, match="1 backups are kept already"):
        backups.set_pinned(backup=second, is_pinned=True, actor=actor)
    backups.request(instance=book, actor=actor)
    book.operations.update(state=Operation.State.SUCCEEDED, finished_at=timezone.now())
    with pytest.raises(Refused, match="were asked for within a day"):
        backups.request(instance=book, actor=actor)
    assert Backup.objects.filter(trigger=Backup.Trigger.ASKED).count() == 1
