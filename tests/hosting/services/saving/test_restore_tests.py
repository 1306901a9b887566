"""Which backups are brought back for a test, how many at a time, and who is told of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from hosting.models import Hostname, Incident, Instance, Operation, RestoreTest, Server
from hosting.selectors.saving import restore_tests as reading
from hosting.services import instances
from hosting.services.saving import backups, restore_tests
from tenants.errors import Refused
from tenants.models import AuditEvent, Client, User
from tenants.services.actors import Actor
from tests.hosting.saved import recorded

pytestmark = pytest.mark.django_db

Order = Callable[..., Instance]
FAILED, OVERDUE = Incident.Kind.RESTORE_TEST_FAILED, Incident.Kind.RESTORE_TEST_OVERDUE


@pytest.fixture
def running(order: Order, memory_server: Server) -> Order:
    """Order an instance that has been running for a month."""

    def bring_up(name: str = "book", **more: Any) -> Instance:
        instance = order(name, **more)
        now = timezone.now()
        instance.operations.update(state=Operation.State.SUCCEEDED, finished_at=now)
        instance.state = Instance.State.RUNNING
        instance.first_running_at = now - timedelta(days=30)
        instance.save()
        return instance

    return bring_up


@pytest.fixture
def book(running: Order) -> Instance:
    return running("book")


def end(test: RestoreTest, at: datetime, *, passed: bool = True) -> RestoreTest:
    """As its flow does it, at that time."""
    now = timezone.now()
    state, reason = ("succeeded", "") if passed else ("failed", "web does not run")
    test.scratch.operations.update(state=state, reason=reason, finished_at=now)
    Instance.objects.filter(pk=test.scratch_id).update(state="deleted", deleted_at=now)
    test.passed, test.ended_at = passed, at
    test.seconds = 41.2 if passed else None
    test.reason = reason
    test.save()
    return test


def ended(instance: Instance, at: datetime, *, passed: bool = True) -> RestoreTest:
    """A test of its newest backup that ended at that time."""
    test = restore_tests.request(instance=instance)
    assert test is not None
    return end(test, at, passed=passed)


def due(now: datetime) -> list[str]:
    return [each.name for each in restore_tests.due(now=now)]


def open_incidents(kind: Incident.Kind) -> list[str]:
    found = Incident.objects.filter(kind=kind, closed_at=None)
    return sorted(each.instance.name for each in found if each.instance is not None)


def test_each_is_due_about_once_a_week(book: Instance) -> None:
    now = timezone.now()
    recorded(book)
    assert due(now) == ["book"]
    ended(book, now)
    assert due(now + timedelta(days=5, hours=23)) == []
    assert due(now + timedelta(days=6)) == ["book"]


def test_those_never_tested_come_first_and_then_the_oldest(running: Order) -> None:
    now = timezone.now()
    for name, days in (("lately", 7), ("long-ago", 9), ("never", None)):
        instance = running(name)
        recorded(instance)
        if days is not None:
            ended(instance, now - timedelta(days=days))
    assert due(now) == ["never", "long-ago", "lately"]


def test_it_takes_the_newest_proven_backup(book: Instance) -> None:
    now = timezone.now()
    recorded(book, taken_at=now - timedelta(days=2))
    newest = recorded(book, taken_at=now - timedelta(days=1))
    recorded(book, taken_at=now, verified_at=None)
    recorded(book, taken_at=now, removed_at=now)
    assert restore_tests.request_due(now=now) == 1
    assert RestoreTest.objects.get().backup == newest


def test_backups_that_were_never_tested_hide_no_other(book: Instance) -> None:
    now = timezone.now()
    recorded(book, taken_at=now - timedelta(days=9))
    ended(book, now - timedelta(days=8))
    recorded(book)
    assert due(now) == ["book"]


def test_so_many_are_tested_at_once_as_settings_say(running: Order, settings: Settings) -> None:
    now = timezone.now()
    for name in ("one", "two", "three", "four"):
        recorded(running(name))
    settings.BERTH_RESTORE_TESTS_AT_ONCE = 2
    assert restore_tests.request_due(now=now) == 2
    assert restore_tests.request_due(now=now) == 0
    end(RestoreTest.objects.all()[0], now)
    assert restore_tests.request_due(now=now) == 1
    backups = [each.backup_id for each in RestoreTest.objects.all()]
    assert len(set(backups)) == 3
    settings.BERTH_RESTORE_TESTS_AT_ONCE = 0
    assert restore_tests.request_due(now=now) == 0


def test_one_that_failed_is_tried_again_after_six_hours(book: Instance) -> None:
    now = timezone.now()
    recorded(book)
    ended(book, now, passed=False)
    assert due(now + timedelta(hours=5, minutes=59)) == []
    assert due(now + timedelta(hours=6)) == ["book"]


def test_a_failure_soon_after_a_success_is_tried_again_too(book: Instance) -> None:
    now = timezone.now()
    recorded(book)
    ended(book, now - timedelta(days=1))
    test = ended(book, now, passed=False)
    assert due(now + timedelta(hours=6)) == [], "somebody called it off"
    restore_tests.record_failed(test=test, reason=test.reason, is_cancelled=False)
    assert due(now + timedelta(hours=6)) == ["book"]


def test_what_holds_nothing_is_to_go_or_is_inactive_gets_no_test(
    running: Order, order: Order, actor: Actor, acme: Client
) -> None:
    order("never-ran")
    kept, going, gone = running("kept"), running("going"), running("gone")
    for each in (kept, going, gone):
        recorded(each)
    instances.delete(instance=going, confirmation="going", actor=actor)
    gone.state, gone.deleted_at = Instance.State.DELETED, timezone.now()
    gone.save()
    assert due(timezone.now()) == ["kept"]
    for each in (going, gone):
        with pytest.raises(Refused, match="nothing is tested"):
            restore_tests.request(instance=each)
    Client.objects.filter(pk=acme.pk).update(is_active=False)
    assert due(timezone.now()) == []
    with pytest.raises(Refused, match="inactive"):
        restore_tests.request(instance=kept)
    assert not Instance.objects.exclude(purpose=Instance.Purpose.CLIENT).exists()


@pytest.mark.parametrize("state", ["running", "degraded", "stopped", "failed"])
def test_it_is_tested_whatever_state_its_instance_is_in(book: Instance, state: str) -> None:
    recorded(book)
    Instance.objects.filter(pk=book.pk).update(state=state)
    assert restore_tests.request_due(now=timezone.now()) == 1


def test_what_has_no_proven_backup_or_no_room_keeps_no_other_away(
    running: Order, memory_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    running("without")
    recorded(running("newer"), manifest={"format": 99})
    recorded(running("broken"), manifest={"definition": None, "version": None, "images": None})
    recorded(running("good"))
    with caplog.at_level("INFO", logger=restore_tests.__name__):
        assert restore_tests.request_due(now=timezone.now()) == 1
    assert RestoreTest.objects.get().backup.instance.name == "good"
    assert "no restore test of acme/newer yet" in caplog.text
    RestoreTest.objects.all().delete()
    Server.objects.update(availability=Server.Availability.CORDONED)
    assert restore_tests.request_due(now=timezone.now()) == 0


def test_a_row_that_berth_stumbles_over_keeps_no_other_away(
    running: Order, caplog: pytest.LogCaptureFixture
) -> None:
    recorded(running("odd"), secrets="no JSON at all")
    recorded(running("good"))
    assert restore_tests.request_due(now=timezone.now()) == 1
    assert RestoreTest.objects.get().backup.instance.name == "good"
    assert "the restore test of acme/odd could not be begun" in caplog.text


def test_the_scratch_instance_is_closed_and_nobodys(book: Instance, acme: Client) -> None:
    backup = recorded(book)
    events = AuditEvent.objects.filter(client_id=acme.pk).count()
    test = restore_tests.request(instance=book)
    assert test is not None
    scratch = test.scratch
    assert (scratch.made_from, scratch.plan, scratch.is_scratch) == (backup, book.plan, True)
    assert scratch.operations.get().kind == Operation.Kind.RESTORE_TEST
    assert not Hostname.objects.filter(instance=scratch).exists()
    mine = {each.name: each.reveal() for each in book.secrets.all()}
    its = {each.name: each.reveal() for each in scratch.secrets.all()}
    assert its.pop("secret_key") == "the key of then"
    assert not mine.items() & its.items()
    assert AuditEvent.objects.filter(client_id=acme.pk).count() == events
    [event] = AuditEvent.objects.filter(action="instance.restore_test_requested")
    assert (event.client_id, event.actor_label) == (None, "Berth (restore-tests)")
    assert event.object_id == str(scratch.pk)


def test_it_takes_no_place_of_the_clients(
    book: Instance, order: Order, settings: Settings, acme: Client
) -> None:
    settings.BERTH_INSTANCES_PER_CLIENT = 2
    recorded(book)
    restore_tests.request(instance=book)
    order("second")
    with pytest.raises(Refused, match="Acme has 2 of the 2 instances"):
        order("third")
    assert restore_tests.request(instance=book) is not None, "a full client's backups are tested"


def test_a_plan_that_is_on_offer_no_more_is_tested_on(book: Instance) -> None:
    recorded(book, size_bytes=2**50)
    book.plan.is_active = False
    book.plan.save()
    test = restore_tests.request(instance=book)
    assert test is not None
    assert test.scratch.plan == book.plan


def test_what_passed_is_written_down_with_its_time_and_ends_both_incidents(
    book: Instance,
) -> None:
    recorded(book)
    test = restore_tests.request(instance=book)
    assert test is not None
    began = timezone.now() - timedelta(seconds=41)
    test.scratch.operations.update(started_at=began)
    for kind in (FAILED, OVERDUE):
        Incident.objects.create(kind=kind, instance=book, summary="x")
    seconds = restore_tests.record_passed(test=test)
    test.refresh_from_db()
    assert test.passed is True
    assert test.ended_at is not None
    assert test.seconds == seconds == (test.ended_at - began).total_seconds()
    assert 41 <= seconds < 100
    assert open_incidents(FAILED) == open_incidents(OVERDUE) == []
    assert restore_tests.record_passed(test=test) == seconds, "the step may be run twice"
    ended_at = test.ended_at
    test.refresh_from_db()
    assert test.ended_at == ended_at


def test_what_failed_is_an_incident_once_with_the_last_reason(book: Instance) -> None:
    recorded(book)
    for reason in ("web does not run", "web does still not run"):
        test = restore_tests.request(instance=book)
        assert test is not None
        restore_tests.record_failed(test=test, reason=reason, is_cancelled=False)
        restore_tests.record_failed(test=test, reason=reason, is_cancelled=False)
    incident = Incident.objects.get(kind=FAILED)
    assert incident.instance == book
    assert incident.summary == (
        "acme/book: the newest backup could not be brought back: web does still not run"
    )
    assert [each.reason for each in RestoreTest.objects.order_by("created_at")] == [
        "web does not run",
        "web does still not run",
    ]


def test_one_that_passed_before_it_was_taken_back_stays_passed(book: Instance) -> None:
    recorded(book)
    test = restore_tests.request(instance=book)
    assert test is not None
    restore_tests.record_passed(test=test)
    restore_tests.record_failed(test=test, reason="the volume is busy", is_cancelled=False)
    test.refresh_from_db()
    assert (test.passed, test.reason) == (True, "")
    assert open_incidents(FAILED) == []


def test_one_that_was_called_off_says_nothing_of_the_backup(book: Instance) -> None:
    now = timezone.now()
    backup = recorded(book)
    passed = ended(book, now - timedelta(days=3))
    test = restore_tests.request(instance=book)
    assert test is not None
    test.scratch.operations.update(cancel_requested_at=now)
    restore_tests.record_failed(test=test, reason="It was called off.", is_cancelled=True)
    assert open_incidents(FAILED) == []
    assert reading.last_of(book) == passed
    assert backup.restore_tests.count() == 2, "it is written down all the same"


def test_none_that_passed_for_too_long_is_an_incident_that_ends(running: Order) -> None:
    now = timezone.now()
    late, fresh, new = running("late"), running("fresh"), running("new")
    Instance.objects.filter(pk=new.pk).update(first_running_at=now - timedelta(days=7))
    for each in (late, fresh):
        recorded(each)
        ended(each, now - timedelta(days=7))
    never = running("never")
    ended(late, now, passed=False)
    assert restore_tests.watch_ages(now=now) == 1
    assert open_incidents(OVERDUE) == ["never"]
    assert restore_tests.watch_ages(now=now + timedelta(days=1, hours=1)) == 4
    ended(late, now + timedelta(days=1))
    assert restore_tests.watch_ages(now=now + timedelta(days=1, hours=1)) == 3
    assert open_incidents(OVERDUE) == ["fresh", "never", "new"]
    told = Incident.objects.get(kind=OVERDUE, instance=never, closed_at=None)
    assert told.summary == "no backup of acme/never was brought back for a test yet"
    told = Incident.objects.get(kind=OVERDUE, instance=fresh, closed_at=None)
    assert f"since {now - timedelta(days=7):%Y-%m-%d %H:%M} UTC" in told.summary


def test_incidents_end_with_their_instance_and_none_begin(book: Instance, actor: Actor) -> None:
    now = timezone.now()
    recorded(book)
    test = restore_tests.request(instance=book)
    assert test is not None
    for kind in (FAILED, OVERDUE):
        Incident.objects.create(kind=kind, instance=book, summary="x")
    instances.delete(instance=book, confirmation="book", actor=actor)
    assert restore_tests.watch_ages(now=now) == 0
    assert open_incidents(FAILED) == open_incidents(OVERDUE) == []
    test = RestoreTest.objects.select_related("backup__instance").get()
    restore_tests.record_failed(test=test, reason="web does not run", is_cancelled=False)
    assert open_incidents(FAILED) == []


def test_an_inactive_clients_backups_are_not_overdue(book: Instance, acme: Client) -> None:
    Client.objects.filter(pk=acme.pk).update(is_active=False)
    assert restore_tests.watch_ages(now=timezone.now()) == 0


def test_staff_test_the_newest_backup_when_they_want(book: Instance) -> None:
    staff = Actor.of(User.objects.create_user("root@berth.example", name="Root"))
    now = timezone.now()
    old = recorded(book, taken_at=now - timedelta(days=1))
    newest = recorded(book, taken_at=now)
    ended(book, now)
    with pytest.raises(Refused, match="Only the newest proven backup"):
        restore_tests.request_now(backup=old, actor=staff)
    test = restore_tests.request_now(backup=newest, actor=staff)
    assert test.scratch.operations.get().requested_by_label == staff.label
    with pytest.raises(Refused, match="is being tested already"):
        restore_tests.request_now(backup=newest, actor=staff)
    assert restore_tests.request_due(now=now + timedelta(days=7)) == 0
    assert RestoreTest.objects.count() == 2


def test_a_test_keeps_its_backup_as_long_as_it_goes_on(book: Instance) -> None:
    book.plan.keep_daily, book.plan.keep_weekly, book.plan.keep_monthly = 1, 0, 0
    book.plan.save()
    old = recorded(book, taken_at=timezone.now() - timedelta(days=400))
    test = restore_tests.request(instance=book)
    assert test is not None
    recorded(book)
    book.refresh_from_db()
    assert backups.dispensable(instance=book) == []
    assert not backups.let_go_of(backup=old)
    end(test, timezone.now())
    assert backups.dispensable(instance=book) == [old]
