"""What plans include a month: said at each threshold once, held to, and let go again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from hosting.models import (
    EdgeState,
    Instance,
    LimitReached,
    Notification,
    Operation,
    Plan,
    Server,
    Topic,
    UsageHold,
)
from hosting.selectors import sites
from hosting.selectors.measuring import usage_limits as reading
from hosting.services import instances, plans
from hosting.services.measuring import limit_notices, usage_events, usage_limits, usage_sums
from hosting.services.measuring.usage_checks import Usage
from hosting.services.working import operations
from tenants.errors import Refused
from tenants.models import AuditEvent
from tenants.services.actors import Actor

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
APRIL = datetime(2026, 3, 31, 22, tzinfo=UTC)  # has begun in Berlin
Use = Callable[..., None]
_numbers = count()


@pytest.fixture
def book(
    order: Callable[..., Instance],
    memory_server: Server,
    small: Plan,
    work_off: Callable[[Instance], Operation],
) -> Instance:
    """A running instance whose plan includes 100 executions and 1,000 tokens a month."""
    Plan.objects.update(included_executions=100, included_tokens=1000)
    instance = order()
    work_off(instance)
    return instance


@pytest.fixture
def use(book: Instance) -> Use:
    """Use so many executions, or tokens, and have it counted."""

    def report(executions: int = 0, *, tokens: int | None = None, now: datetime = NOW) -> None:
        is_llm = tokens is not None
        told = Usage(
            at=NOW,
            meter="llm" if is_llm else "executions",
            label="m" if is_llm else "",
            amount=executions,
            key="",
            is_level=False,
            input=tokens,
            output=0 if is_llm else None,
            cached=0 if is_llm else None,
            source="test",
            event_id=str(next(_numbers)),
        )
        usage_events.write(instance_id=book.pk, usages=[told], now=now)
        usage_sums.sum_up(now=now)
        usage_limits.check(now=now)

    return report


def at_limit(then: Plan.AtLimit) -> None:
    Plan.objects.update(at_limit=then)


def thresholds(limit: str = "executions") -> list[int]:
    rows = LimitReached.objects.filter(limit=limit, told_at__isnull=False)
    return sorted(rows.values_list("threshold", flat=True))


def test_each_threshold_is_said_once(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[int] = []
    tell = limit_notices.tell

    def listen(*, reached: LimitReached, now: datetime) -> None:
        said.append(reached.threshold)
        tell(reached=reached, now=now)

    monkeypatch.setattr(limit_notices, "tell", listen)
    use(49)
    assert said == []
    use(1)
    assert said == [50]
    use(49)
    assert said == [50, 80]
    use(1)
    use(50)
    assert said == [50, 80, 100]
    assert thresholds() == [50, 80, 100]
    assert not UsageHold.objects.exists()  # the plan says to say so, and no more


def test_what_could_not_be_said_is_said_the_next_time(
    use: Use, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(reached: LimitReached, now: datetime) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(limit_notices, "tell", fail)
        use(60)
    assert thresholds() == []
    assert "ZeroDivisionError" in caplog.text
    usage_limits.check(now=NOW)
    assert thresholds() == [50]


def test_its_client_is_told_what_follows_and_when_it_is_over(book: Instance, use: Use) -> None:
    at_limit(Plan.AtLimit.BLOCK)
    use(100)
    told = Notification.objects.filter(topic=Topic.BUDGET, client=book.client)
    assert {each.title for each in told} == {
        f"book: {percent} % of its executions used" for percent in (50, 80, 100)
    }
    (last,) = told.filter(title__contains="100 %")
    assert last.text == (
        "Used are 100 of 100 executions that the plan Small includes for March 2026."
        " From now on new usage that it reports is refused until the month is over, or it gets a"
        " larger plan."
    )
    usage_limits.check(now=APRIL)
    assert told.get(is_over=True).title == "book: its executions are limited no more"


def test_tokens_given_and_answered_count_together(use: Use) -> None:
    use(tokens=900)
    assert thresholds("tokens") == [50, 80]
    assert thresholds() == []


def test_new_usage_is_refused_and_what_was_before_is_not(book: Instance, use: Use) -> None:
    at_limit(Plan.AtLimit.BLOCK)
    use(100)
    assert reading.blocked(book) == {"executions": (NOW, APRIL)}
    (hold,) = reading.holds(book)
    sentence = reading.sentence(hold)
    assert "New usage that it reports is refused: the 100 executions that its plan" in sentence
    event = AuditEvent.objects.get(action="instance.limit_used_up")
    assert (event.client_id, event.after["then"]) == (book.client_id, "block")
    assert book.operations.count() == 1  # it goes on running


def test_where_requests_use_it_the_edge_refuses_them_until_that_is_over(
    book: Instance, use: Use
) -> None:
    at_limit(Plan.AtLimit.BLOCK)
    book.definition["berth"]["usage_paths"] = ["/webhook"]
    book.save()
    use(99)
    before = EdgeState.objects.get().wanted
    use(1)
    assert EdgeState.objects.get().wanted == before + 1
    assert [site.used_up for site in sites.all_sites()] == [("/webhook",)]
    (hold,) = reading.holds(book)
    assert reading.sentence(hold).startswith("Requests that would use more are refused: the 100 ex")
    last = Notification.objects.get(title__contains="100 %")
    assert "From now on requests that would use more are refused until the month" in last.text
    usage_limits.check(now=NOW)
    assert EdgeState.objects.get().wanted == before + 1
    usage_limits.check(now=APRIL)
    assert EdgeState.objects.get().wanted == before + 2
    assert [site.used_up for site in sites.all_sites()] == [()]


def test_it_is_stopped_and_cannot_be_started_until_that_is_over(
    book: Instance, use: Use, work_off: Callable[[Instance], Operation], actor: Actor
) -> None:
    at_limit(Plan.AtLimit.STOP)
    use(100)
    usage_limits.check(now=NOW)
    assert reading.blocked(book) == {}  # what it uses until it has stopped is used
    assert [each.kind for each in book.operations.order_by("requested_at")] == ["provision", "stop"]
    assert work_off(book).state == Operation.State.SUCCEEDED
    with pytest.raises(Refused, match=r"It is stopped: the 100 executions .* used up"):
        instances.start(instance=book, actor=actor)
    usage_limits.check(now=NOW + timedelta(days=1))
    assert book.operations.count() == 2
    usage_limits.check(now=APRIL)
    assert UsageHold.objects.get().lifted_at == APRIL
    assert work_off(book).kind == Operation.Kind.START
    assert book.state == Instance.State.RUNNING


def test_what_came_up_again_by_other_means_is_stopped_again(
    book: Instance, use: Use, work_off: Callable[[Instance], Operation]
) -> None:
    at_limit(Plan.AtLimit.STOP)
    use(100)
    work_off(book)
    Instance.objects.update(state=Instance.State.RUNNING)
    usage_limits.check(now=NOW)
    assert work_off(book).kind == Operation.Kind.STOP
    assert book.state == Instance.State.STOPPED


def test_a_larger_plan_lets_it_go(
    book: Instance, use: Use, work_off: Callable[[Instance], Operation]
) -> None:
    at_limit(Plan.AtLimit.STOP)
    use(100)
    work_off(book)
    Plan.objects.update(included_executions=1000)
    usage_limits.check(now=NOW)
    assert work_off(book).kind == Operation.Kind.START


def test_a_larger_plan_has_thresholds_of_its_own(book: Instance, use: Use) -> None:
    use(100)
    Plan.objects.update(included_executions=1000)
    use(390)
    told = Notification.objects.filter(topic=Topic.BUDGET, client=book.client)
    assert told.count() == 3
    use(310)
    usage_limits.check(now=NOW)
    assert sorted(told.filter(text__contains="of 1,000").values_list("title", flat=True)) == [
        "book: 50 % of its executions used",
        "book: 80 % of its executions used",
    ]


def test_a_larger_plan_that_is_used_up_too_is_what_is_said(book: Instance, use: Use) -> None:
    at_limit(Plan.AtLimit.BLOCK)
    use(150)
    Plan.objects.update(included_executions=120)
    usage_limits.check(now=NOW)
    (hold,) = reading.holds(book)
    assert "the 120 executions that its plan includes" in reading.sentence(hold)
    assert not Notification.objects.filter(is_over=True).exists()


def test_what_a_plan_says_can_become_another_and_nobody_is_told_that_it_is_over(
    book: Instance, use: Use, work_off: Callable[[Instance], Operation]
) -> None:
    at_limit(Plan.AtLimit.BLOCK)
    use(100)
    at_limit(Plan.AtLimit.STOP)
    usage_limits.check(now=NOW)
    assert work_off(book).kind == Operation.Kind.STOP
    others = Notification.objects.filter(title__contains="another consequence")
    assert "It is stopped until the month is over" in others.get().text
    at_limit(Plan.AtLimit.BLOCK)
    usage_limits.check(now=NOW)
    assert work_off(book).kind == Operation.Kind.START
    assert others.filter(text__contains="From now on new usage that it reports is ref").count() == 1
    assert [hold.kind for hold in reading.holds(book)] == ["block"]
    assert not Notification.objects.filter(is_over=True).exists()
    usage_limits.check(now=APRIL)
    assert Notification.objects.filter(is_over=True).count() == 1


def test_what_was_said_once_is_said_again_where_it_follows_again(
    book: Instance, use: Use, work_off: Callable[[Instance], Operation]
) -> None:
    at_limit(Plan.AtLimit.BLOCK)
    use(100)
    for then in (Plan.AtLimit.STOP, Plan.AtLimit.BLOCK, Plan.AtLimit.STOP):
        at_limit(then)
        for _ in range(2):
            usage_limits.check(now=NOW)
        work_off(book)
    others = Notification.objects.filter(title__contains="another consequence")
    assert others.filter(text__contains="It is stopped until").count() == 2
    assert others.count() == 3


def test_a_busy_one_is_held_as_before_until_it_can_be_started(
    book: Instance, use: Use, work_off: Callable[[Instance], Operation], actor: Actor
) -> None:
    at_limit(Plan.AtLimit.STOP)
    use(100)
    work_off(book)
    change = operations.request(instance=book, kind=Operation.Kind.UPGRADE, actor=actor)
    at_limit(Plan.AtLimit.BLOCK)
    usage_limits.check(now=NOW)
    assert [hold.kind for hold in reading.holds(book)] == ["stop"]
    Operation.objects.filter(pk=change.pk).delete()
    usage_limits.check(now=NOW)
    assert [hold.kind for hold in reading.holds(book)] == ["block"]


def test_of_a_deleted_one_nothing_is_said(book: Instance, use: Use) -> None:
    at_limit(Plan.AtLimit.BLOCK)
    use(100)
    Instance.objects.update(state=Instance.State.DELETED, deleted_at=NOW)
    usage_limits.check(now=NOW)
    assert reading.holds(book) == []
    assert not Notification.objects.filter(is_over=True).exists()


def test_a_plan_without_limits_lets_it_go(book: Instance, use: Use) -> None:
    at_limit(Plan.AtLimit.BLOCK)
    use(100)
    Plan.objects.update(included_executions=None, included_tokens=None)
    usage_limits.check(now=NOW)
    assert reading.holds(book) == []


def test_it_stays_stopped_while_another_limit_is_used_up(
    book: Instance, use: Use, work_off: Callable[[Instance], Operation]
) -> None:
    at_limit(Plan.AtLimit.STOP)
    use(100)
    work_off(book)
    use(tokens=1000)
    Plan.objects.update(included_executions=1000)
    usage_limits.check(now=NOW)
    assert book.operations.filter(kind="start").count() == 0
    assert [each.limit for each in reading.holds(book)] == ["tokens"]


def test_what_its_client_had_stopped_stays_so(
    book: Instance, use: Use, work_off: Callable[[Instance], Operation], actor: Actor
) -> None:
    instances.stop(instance=book, actor=actor)
    work_off(book)
    at_limit(Plan.AtLimit.STOP)
    use(100)
    usage_limits.check(now=APRIL)
    assert book.operations.count() == 2
    assert UsageHold.objects.get().lifted_at == APRIL


def test_a_busy_instance_is_stopped_the_next_time(
    book: Instance, use: Use, work_off: Callable[[Instance], Operation], actor: Actor
) -> None:
    instances.restart(instance=book, actor=actor)
    at_limit(Plan.AtLimit.STOP)
    use(100)
    assert UsageHold.objects.get().stopped_at is None
    work_off(book)
    usage_limits.check(now=NOW)
    assert UsageHold.objects.get().stopped_at == NOW


def test_a_plan_in_use_includes_no_less(book: Instance, small: Plan, actor: Actor) -> None:
    with pytest.raises(Refused, match="it includes no less usage"):
        plans.update(plan=small, actor=actor, included_executions=99)
    plans.update(plan=small, actor=actor, included_executions=101, included_tokens=None)
    with pytest.raises(Refused, match="it includes no less usage"):
        plans.update(plan=small, actor=actor, included_tokens=10**9)
