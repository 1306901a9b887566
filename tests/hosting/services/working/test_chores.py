"""Nightly work, claimed from the database by however many schedulers there are."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from hosting.flows.working import periodic
from hosting.models import Chore
from hosting.services.working import chores
from tests.hosting.rounds import pass_time
from tests.tenants.threads import at_once

pytestmark = pytest.mark.django_db
NIGHTLY = timedelta(days=1)


def _run(done: list[int], *, every: timedelta = NIGHTLY) -> bool:
    return chores.run_if_due(name="count", every=every, work=lambda: done.append(1))


def _due_at() -> datetime:
    return Chore.objects.get().due_at


def test_it_is_done_when_it_is_due_and_not_before() -> None:
    done: list[int] = []
    assert _run(done)
    assert not _run(done)
    pass_time(NIGHTLY - timedelta(minutes=1))
    assert not _run(done)
    pass_time(timedelta(minutes=1))
    assert _run(done)
    assert len(done) == 2


def test_it_stays_where_it_was_in_the_night_however_late_it_is_done() -> None:
    done: list[int] = []
    Chore.objects.create(name="count", due_at=timezone.now())
    pass_time(timedelta(hours=3))
    due = _due_at()
    assert _run(done)
    assert _due_at() == due + NIGHTLY


def test_nights_that_were_missed_are_caught_up_once() -> None:
    done: list[int] = []
    Chore.objects.create(name="count", due_at=timezone.now())
    pass_time(5 * NIGHTLY + timedelta(hours=2))
    assert _run(done)
    assert not _run(done)
    assert len(done) == 1
    assert _due_at() > timezone.now()


def test_a_failure_is_kept_and_tried_again_soon() -> None:
    def fail() -> None:
        raise ValueError("the disk is gone")

    with pytest.raises(ValueError, match="gone"):
        chores.run_if_due(name="count", every=NIGHTLY, work=fail)
    assert Chore.objects.get().last_error == "ValueError: the disk is gone"
    done: list[int] = []
    assert not _run(done)
    pass_time(chores.RETRY_AFTER)
    assert _run(done)
    assert Chore.objects.get().last_error == ""
    assert Chore.objects.get().last_ended_at is not None


def test_one_that_comes_back_sooner_than_that_is_not_put_off_by_a_failure() -> None:
    """Usage is counted every 15 s, and limits are promised to hold within a minute."""

    def fail() -> None:
        raise ValueError("a lock was taken")

    with pytest.raises(ValueError, match="taken"):
        chores.run_if_due(name="count", every=periodic.COUNT_USAGE, work=fail)
    done: list[int] = []
    assert not _run(done)
    pass_time(periodic.COUNT_USAGE)
    assert _run(done)


def test_one_whose_process_died_in_the_middle_of_it_is_done_the_same_night() -> None:
    class Killed(BaseException):
        """As SIGKILL: nothing is written down any more."""

    def die() -> None:
        raise Killed

    with pytest.raises(Killed):
        chores.run_if_due(name="count", every=NIGHTLY, work=die)
    done: list[int] = []
    assert not _run(done)  # it may still be worked on
    pass_time(chores.GIVEN_UP_AFTER)
    assert _run(done)


def test_what_comes_back_within_a_minute_is_taken_over_at_once_from_whoever_died() -> None:
    """Limits are promised to hold within a minute, and usage is counted for them."""

    class Killed(BaseException):
        """As SIGKILL, which ends the connection, too."""

    def die() -> None:
        raise Killed

    with pytest.raises(Killed):
        chores.run_if_due(name="count", every=periodic.COUNT_USAGE, work=die)
    done: list[int] = []
    assert _run(done, every=periodic.COUNT_USAGE)
    assert not _run(done, every=periodic.COUNT_USAGE)  # done, and not due again
    assert done == [1]


@pytest.mark.django_db(transaction=True)
def test_it_is_not_taken_from_whoever_still_works_on_it() -> None:
    done: list[int] = []
    is_at_work, may_end = threading.Event(), threading.Event()

    def slowly() -> None:
        is_at_work.set()
        assert may_end.wait(20)

    def work() -> bool:
        return chores.run_if_due(name="count", every=periodic.COUNT_USAGE, work=slowly)

    def ask() -> bool:
        assert is_at_work.wait(20)
        asked = _run(done, every=periodic.COUNT_USAGE)
        may_end.set()
        return asked

    did = [each.result() for each in at_once(work, ask)]
    assert did == [True, False]
    assert done == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_new", [True, False])
def test_two_schedulers_at_the_same_moment_do_it_once(is_new: bool) -> None:
    if not is_new:
        Chore.objects.create(name="count", due_at=timezone.now() - 3 * NIGHTLY)
    done: list[int] = []
    together = threading.Barrier(4)

    def schedule() -> bool:
        connection.ensure_connection()
        together.wait(10)
        return _run(done)

    did = [each.result() for each in at_once(*[schedule] * 4)]
    assert sorted(did) == [False, False, False, True]
    assert done == [1]


@pytest.mark.django_db(transaction=True)
def test_one_that_takes_long_is_not_begun_by_another_meanwhile() -> None:
    began, over = threading.Event(), threading.Event()
    done: list[int] = []

    def work() -> None:
        began.set()
        assert over.wait(10)
        done.append(1)

    def first() -> bool:
        return chores.run_if_due(name="count", every=NIGHTLY, work=work)

    def second() -> bool:
        assert began.wait(10)
        try:
            return _run(done)
        finally:
            over.set()

    assert [each.result() for each in at_once(first, second)] == [True, False]
    assert done == [1]
