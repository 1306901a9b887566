"""What happened while nobody followed is billed as if somebody had looked after each of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import Following, Invoice, Span, Subscription
from billing.services import subscriptions
from billing.services.invoicing import runs
from hosting.models import Instance, Operation, Plan, Server, Upgrade
from hosting.services import suspensions
from tenants.models import Client
from tests.billing import money
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db

MakePlan = Callable[[str], Plan]


class Clock:
    """What time it is for what happens to instances; billing is told its own."""

    now = at("2026-01-01")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timezone, "now", lambda: clock.now)
    return clock


@pytest.fixture
def book(
    clock: Clock,
    order: Callable[..., Instance],
    memory_server: Server,
    acme: Client,
    small: Plan,
    make_plan: MakePlan,
) -> Instance:
    """Acme's instance at 31 euros a month, followed on 1 March; larger plans cost more."""
    money.set_seller()
    money.set_details(acme)
    money.set_price(small, "31.00")
    for slug, amount in (("large", "62.00"), ("huge", "93.00")):
        money.set_price(make_plan(slug), amount)
    book = money.run_since(order(), "2026-02-01 12:00")
    Operation.objects.update(state="succeeded", finished_at=at("2026-02-01 12:00"))
    follow("2026-03-01 12:00")
    return book


def follow(moment: str | datetime) -> None:
    subscriptions.follow(now=at(moment) if isinstance(moment, str) else moment)


def change(instance: Instance, slug: str, moment: str | datetime, state: str = "succeeded") -> None:
    """A change to that plan that ended so then, as a worker writes it down."""
    ended = at(moment) if isinstance(moment, str) else moment
    instance.refresh_from_db()
    plan = Plan.objects.get(slug=slug)
    operation = Operation.objects.create(
        instance=instance,
        kind="upgrade",
        state=state,
        reason="" if state == "succeeded" else "The app did not come up.",
        requested_by_label="test",
        requested_at=ended - timedelta(minutes=5),
        finished_at=ended,
    )
    same: dict[str, Any] = {"version": instance.version, "definition": {}, "images": {}}
    Upgrade.objects.create(
        operation=operation,
        from_generation=instance.generation,
        to_generation=instance.generation,
        from_plan=instance.plan,
        to_plan=plan,
        **{f"{end}_{name}": value for end in ("from", "to") for name, value in same.items()},
    )
    if state == "succeeded":
        Instance.objects.filter(pk=instance.pk).update(plan=plan)


def suspend(instance: Instance, clock: Clock, moment: str | datetime) -> None:
    clock.now = at(moment) if isinstance(moment, str) else moment
    suspensions.suspend(instance=instance, reason="Invoice 1 is overdue.", actor=ACTOR)


def resume(instance: Instance, clock: Clock, moment: str | datetime) -> None:
    clock.now = at(moment) if isinstance(moment, str) else moment
    suspensions.resume(instance=instance, actor=ACTOR)


def spans() -> list[tuple[str, str, str, bool]]:
    """First day, end, plan, and whether suspended."""
    return [
        (str(each.first_day), str(each.end_day or ""), each.plan.slug, each.is_suspended)
        for each in Span.objects.select_related("plan").order_by("first_day")
    ]


def test_three_changes_on_three_days_are_each_billed(book: Instance) -> None:
    change(book, "large", "2026-03-05 10:00")
    change(book, "huge", "2026-03-11 22:30")
    change(book, "small", "2026-03-20 23:30")  # the 21st in Berlin
    runs.bill_due(now=at("2026-04-01 12:00"))
    assert spans() == [
        ("2026-02-01", "2026-03-05", "small", False),
        ("2026-03-05", "2026-03-11", "large", False),
        ("2026-03-11", "2026-03-21", "huge", False),
        ("2026-03-21", "", "small", False),
    ]
    march = Invoice.objects.order_by("sequence").last()
    assert march is not None
    assert money.lines(march) == [
        ("recurring", "15", "15.00"), ("recurring", "6", "12.00"), ("recurring", "10", "30.00")
    ]  # fmt: skip


def test_a_day_belongs_to_the_last_change_on_it(book: Instance) -> None:
    change(book, "large", "2026-03-05 10:00")
    change(book, "huge", "2026-03-05 18:00")
    follow("2026-03-09")
    assert spans()[1:] == [("2026-03-05", "", "huge", False)]


def test_there_and_back_on_a_day_is_nothing(book: Instance) -> None:
    change(book, "large", "2026-03-05 10:00")
    change(book, "small", "2026-03-05 18:00")
    follow("2026-03-09")
    assert spans() == [("2026-02-01", "", "small", False)]


def test_there_and_back_on_two_days_is_found_though_all_looks_as_before(book: Instance) -> None:
    change(book, "large", "2026-03-05 10:00")
    change(book, "small", "2026-03-07 10:00")
    follow("2026-03-09")
    assert spans()[1:] == [
        ("2026-03-05", "2026-03-07", "large", False), ("2026-03-07", "", "small", False)
    ]  # fmt: skip


def test_a_suspension_between_two_changes(book: Instance, clock: Clock) -> None:
    change(book, "large", "2026-03-05 10:00")
    suspend(book, clock, "2026-03-08 10:00")
    resume(book, clock, "2026-03-12 10:00")
    change(book, "huge", "2026-03-15 10:00")
    runs.bill_due(now=at("2026-04-01 12:00"))
    assert spans()[1:] == [
        ("2026-03-05", "2026-03-09", "large", False),
        ("2026-03-09", "2026-03-12", "large", True),
        ("2026-03-12", "2026-03-15", "large", False),
        ("2026-03-15", "", "huge", False),
    ]
    march = Invoice.objects.order_by("sequence").last()
    assert march is not None
    assert [line[1:] for line in money.lines(march)] == [
        ("4", "4.00"), ("7", "14.00"), ("17", "51.00")
    ]  # fmt: skip


def test_two_suspensions_are_each_free(book: Instance, clock: Clock) -> None:
    for first, last in (("03", "06"), ("10", "10"), ("12", "13"), ("20", "22")):
        suspend(book, clock, f"2026-03-{first} 10:00")
        resume(book, clock, f"2026-03-{last} 15:00")
    follow("2026-03-25")
    # One that ended on its first day, or the next, has left no day without use.
    assert [each[:2] for each in spans() if each[3]] == [
        ("2026-03-04", "2026-03-06"), ("2026-03-21", "2026-03-22")
    ]  # fmt: skip


def test_suspended_again_on_the_day_of_its_return(book: Instance, clock: Clock) -> None:
    suspend(book, clock, "2026-03-03 10:00")
    resume(book, clock, "2026-03-06 10:00")
    suspend(book, clock, "2026-03-06 18:00")
    suspensions.say_other_reason(
        instance=book, was="Invoice 1 is overdue.", reason="Invoice 2 is overdue.", actor=ACTOR
    )
    follow("2026-03-25")
    assert spans()[1:] == [
        ("2026-03-04", "2026-03-06", "small", True),
        ("2026-03-06", "2026-03-07", "small", False),
        ("2026-03-07", "", "small", True),
    ]


def test_a_change_that_ends_on_the_day_of_a_suspension_is_of_that_day(
    book: Instance, clock: Clock
) -> None:
    suspend(book, clock, "2026-03-05 10:00")
    follow("2026-03-05 10:10")
    change(book, "large", "2026-03-05 10:15")
    follow("2026-03-05 10:20")
    assert spans()[1:] == [
        ("2026-03-05", "2026-03-06", "large", False), ("2026-03-06", "", "large", True)
    ]  # fmt: skip


def test_what_was_taken_back_never_was(book: Instance) -> None:
    change(book, "huge", "2026-03-05 10:00", state="failed")
    change(book, "large", "2026-03-07 10:00")
    follow("2026-03-09")
    assert spans()[1:] == [("2026-03-07", "", "large", False)]


def test_a_change_counts_when_it_has_ended(book: Instance) -> None:
    change(book, "large", "2026-03-05 10:00")
    Operation.objects.filter(kind="upgrade").update(
        state="running", finished_at=None, lease_expires_at=at("2026-03-08")
    )
    follow("2026-03-06 10:00")  # the instance stands on the plan already, and may still go back
    assert spans() == [("2026-02-01", "", "small", False)]
    Operation.objects.filter(kind="upgrade").update(
        state="succeeded", finished_at=at("2026-03-07 09:00"), lease_expires_at=None
    )
    follow("2026-03-08 10:00")
    assert spans()[1:] == [("2026-03-07", "", "large", False)]


def test_what_has_been_billed_stays(book: Instance, clock: Clock) -> None:
    runs.bill_due(now=at("2026-04-01 12:00"))
    issued = [money.lines(each) for each in Invoice.objects.order_by("sequence")]
    change(book, "large", "2026-03-28 10:00")  # as if it had been seen by nobody before
    suspend(book, clock, "2026-03-29 10:00")
    resume(book, clock, "2026-03-31 10:00")
    change(book, "huge", "2026-04-02 10:00")
    Following.objects.update(until=at("2026-03-02"))
    follow("2026-04-03")
    assert spans() == [
        ("2026-02-01", "2026-04-01", "small", False),
        ("2026-04-01", "2026-04-02", "large", False),
        ("2026-04-02", "", "huge", False),
    ]
    assert [money.lines(each) for each in Invoice.objects.order_by("sequence")] == issued


def test_what_happened_before_there_were_billing_details(
    clock: Clock, book: Instance, order: Callable[..., Instance], other_client: Client
) -> None:
    theirs = money.run_since(order("theirs", client=other_client), "2026-02-10 12:00")
    change(theirs, "large", "2026-02-12 10:00")
    suspend(theirs, clock, "2026-02-14 10:00")
    resume(theirs, clock, "2026-02-18 10:00")
    change(theirs, "huge", "2026-02-20 10:00")
    follow("2026-03-10")
    money.set_details(other_client)
    follow("2026-03-15")
    assert spans()[1:] == [
        ("2026-02-10", "2026-02-12", "small", False),
        ("2026-02-12", "2026-02-15", "large", False),
        ("2026-02-15", "2026-02-18", "large", True),
        ("2026-02-18", "2026-02-20", "large", False),
        ("2026-02-20", "", "huge", False),
    ]


def test_what_ended_meanwhile_has_its_changes_too(book: Instance, clock: Clock) -> None:
    change(book, "large", "2026-03-05 10:00")
    change(book, "huge", "2026-03-08 10:00")
    suspend(book, clock, "2026-03-10 10:00")
    money.end(book, "2026-03-10 18:00")
    follow("2026-03-20")
    assert spans()[1:] == [
        ("2026-03-05", "2026-03-08", "large", False), ("2026-03-08", "2026-03-11", "huge", False)
    ]  # fmt: skip
    assert str(Subscription.objects.get().end_day) == "2026-03-11"


def test_the_clock_of_the_client_says_which_day_it_was(book: Instance, acme: Client) -> None:
    Client.objects.filter(pk=acme.pk).update(timezone="Pacific/Auckland")  # 13 hours ahead
    change(book, "large", "2026-03-05 10:59")
    change(book, "huge", "2026-03-05 11:00")
    follow("2026-03-09")
    assert spans()[1:] == [
        ("2026-03-05", "2026-03-06", "large", False), ("2026-03-06", "", "huge", False)
    ]  # fmt: skip


def test_followed_twice_nothing_changes(book: Instance, clock: Clock) -> None:
    change(book, "large", "2026-03-05 10:00")
    suspend(book, clock, "2026-03-09 10:00")
    resume(book, clock, "2026-03-09 10:20")
    change(book, "huge", "2026-03-09 10:40")
    follow("2026-03-09 10:50")
    before = list(Span.objects.order_by("pk").values())
    for moment in ("2026-03-09 10:50", "2026-03-09 11:00", "2026-03-10 09:00"):
        with CaptureQueriesContext(connection) as queries:
            follow(moment)
        assert list(Span.objects.order_by("pk").values()) == before
        written = [each["sql"] for each in queries if "billing_span" in each["sql"]]
        assert all(sql.startswith("SELECT") for sql in written)
    # Also when all of it is seen again.
    Following.objects.all().delete()
    follow("2026-03-10 09:10")
    assert list(Span.objects.order_by("pk").values()) == before


def test_what_nothing_tells_of_counts_from_the_day_on_which_it_is_seen(book: Instance) -> None:
    change(book, "large", "2026-03-05 10:00")
    Instance.objects.update(plan=Plan.objects.get(slug="huge"))
    follow("2026-03-09")
    assert spans()[1:] == [
        ("2026-03-05", "2026-03-09", "large", False), ("2026-03-09", "", "huge", False)
    ]  # fmt: skip


def test_nothing_is_asked_for_each_subscription(
    book: Instance, order: Callable[..., Instance], make_plan: MakePlan
) -> None:
    with CaptureQueriesContext(connection) as one:
        follow("2026-03-02")
    for number in range(5):
        money.run_since(order(f"more-{number}"), "2026-03-02 12:00")
    follow("2026-03-03")
    with CaptureQueriesContext(connection) as six:
        follow("2026-03-04")
    assert len(six) == len(one)


def _told(book: Instance, clock: Clock, seed: int) -> Sequence[Callable[[], None]]:
    """Things that happen one after another in March, hours or days apart."""
    dice = random.Random(seed)
    moment, is_suspended = at("2026-03-01 13:00"), False
    happened: list[Callable[[], None]] = []
    while True:
        moment += timedelta(hours=dice.choice((1, 3, 9, 20, 40, 90)))
        if moment > at("2026-03-31 20:00"):
            return happened
        if dice.random() < 0.5 and not is_suspended:
            slug = dice.choice(("small", "large", "huge"))
            happened.append(partial(_change_or_stay, book, slug, moment))
        else:
            verb = resume if is_suspended else suspend
            happened.append(partial(verb, book, clock, moment))
            is_suspended = not is_suspended
        happened.append(partial(follow, moment + timedelta(minutes=10)))


def _change_or_stay(book: Instance, slug: str, moment: datetime) -> None:
    book.refresh_from_db()
    if book.plan.slug != slug:
        change(book, slug, moment)


@pytest.mark.parametrize("seed", range(8))
def test_an_outage_costs_what_it_costs_when_each_thing_is_seen_at_once(
    book: Instance, clock: Clock, seed: int
) -> None:
    happened = _told(book, clock, seed)

    def billed(steps: Sequence[Callable[[], None]]) -> Any:
        with _taken_back():
            for step in steps:
                step()
            runs.bill_due(now=at("2026-04-01 12:00"))
            lines = [money.lines(each) for each in Invoice.objects.order_by("sequence")]
            return lines, spans()

    at_once = billed(happened)
    assert billed(happened[::2]) == at_once
    assert len(at_once[1]) > 3


class _taken_back:  # noqa: N801 - reads as a block
    """What is done within never was."""

    def __enter__(self) -> None:
        self.point = transaction.savepoint()

    def __exit__(self, *_: object) -> None:
        transaction.savepoint_rollback(self.point)
