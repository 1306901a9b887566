"""Reporting usage: what is counted, what once, and what is refused while the rest is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from hosting.models import Instance, UsageEvent, UsageHold, UsageKey, UsageMark, UsageToken
from hosting.selectors.measuring import usage
from hosting.services.measuring import usage_tokens
from tenants.services.actors import Actor

Event = Callable[..., dict[str, Any]]
Report = Callable[..., Any]


def test_it_counts_what_is_reported(book: Instance, report: Report, event: Event) -> None:
    assert report(event(1), event(2)) == {
        "accepted": 2,
        "duplicates": 0,
        "refused": [],
        "blocked": [],
    }
    kept = UsageEvent.objects.filter(instance=book)
    assert [(each.meter, each.amount) for each in kept] == [("executions", 3.0)] * 2


def test_one_event_alone_is_an_event_too(post: Callable[..., Any], event: Event) -> None:
    response = post(event(1), content_type="application/cloudevents+json; charset=UTF-8")
    assert response.json()["accepted"] == 1


def test_an_event_counts_once_also_with_another_time_and_in_another_month(
    report: Report, event: Event
) -> None:
    now = timezone.now()
    assert report(event(1, now), event(1, now))["duplicates"] == 1
    for days in (0, 1, 20, 34):
        told = report(event(1, now - timedelta(days=days)), event(1, now, type="executions"))
        assert told == {"accepted": 0, "duplicates": 2, "refused": [], "blocked": []}
    assert UsageEvent.objects.count() == UsageKey.objects.count() == 1


def test_its_own_instance_is_known_in_capitals_too(
    book: Instance, report: Report, event: Event
) -> None:
    for number, name in enumerate((str(book.pk), str(book.pk).upper())):
        assert report(event(number, instance=name))["accepted"] == 1


def test_source_and_id_are_told_apart(report: Report, event: Event) -> None:
    told = report(event("bc", source="a"), event("c", source="ab"), event("bc", source="b"))
    assert told["accepted"] == 3


def test_another_instance_counts_the_same_event_for_itself(
    report: Report, event: Event, order: Callable[..., Instance], actor: Actor
) -> None:
    other = order("other")
    token = usage_tokens.make(instance=other, name="app", actor=actor, now=timezone.now())
    assert report(event(1))["accepted"] == 1
    assert report(event(1), token=token)["accepted"] == 1
    assert {each.instance_id for each in UsageEvent.objects.all()} == {
        other.pk,
        Instance.objects.get(name="book").pk,
    }


def test_what_is_refused_is_listed_and_the_rest_kept(report: Report, event: Event) -> None:
    told = report(event(1), event(2, type="executons"), event(3), {"id": "4"}, 5)
    assert (told["accepted"], told["duplicates"]) == (2, 0)
    assert told["refused"] == [
        {
            "index": 1,
            "id": "2",
            "code": "unknown_meter",
            "reason": "there is no meter executons",
        },
        {"index": 3, "id": "4", "code": "malformed", "reason": "specversion is missing"},
        {
            "index": 4,
            "id": None,
            "code": "malformed",
            "reason": "an event must be an object, not a whole number",
        },
    ]


def test_null_is_no_event_and_a_list_of_thousand_says_so_of_each(report: Report) -> None:
    told = report(*[None] * 1000)
    assert [each["index"] for each in told["refused"]] == list(range(1000))
    assert {each["reason"] for each in told["refused"]} == {"an event must be an object, not null"}


def in_days(days: float) -> str:
    return (timezone.now() + timedelta(days=days)).isoformat()


@pytest.mark.parametrize(
    ("attributes", "code", "reason"),
    [
        ({"specversion": "0.3"}, "specversion", "specversion must be 1.0"),
        ({"time": in_days(0.01)}, "future", "time lies in the future"),
        ({"time": "9999-12-31T23:59:59Z"}, "future", "time lies in the future"),
        ({"time": in_days(-36)}, "too_old", "time lies more than 35 days back"),
        ({"time": in_days(-101)}, "before_instance", "before the instance existed"),
        ({"time": "0001-01-01T00:00:00+14:00"}, "before_instance", "before the instance existed"),
        ({"time": "2026-03-01T12:00:00"}, "malformed", "time needs an offset"),
        ({"time": "yesterday"}, "malformed", "time must be a time such as"),
        ({"time": 12}, "malformed", "time must be a time such as"),
        ({"time": "2026-02-30T12:00:00Z"}, "malformed", "time must be a time such as"),
        ({"time": "9999-12-31T23:59:59-23:59"}, "future", "time lies in the future"),
        ({"time": "2026-06-30T23:59:60Z"}, "malformed", "time must be a time such as"),
        ({"time": "2026-03-01T12:00:00+24:00"}, "malformed", "time must be a time such as"),
        ({"data": {"amount": -1}}, "amount", "data.amount must be a number from 0"),
        ({"data": {"amount": 10**13}}, "amount", "data.amount must be a number from 0"),
        ({"data": {"amount": 10**400}}, "malformed", "data.amount"),
        ({"data": {"amount": float("nan")}}, "amount", "data.amount must be a number from 0"),
        ({"data": {"amount": float("inf")}}, "amount", "data.amount must be a number from 0"),
        ({"data": {"amount": "3"}}, "malformed", "data.amount must be a number, not a text"),
        ({"data": {"amount": True}}, "malformed", "data.amount must be a number"),
        ({"data": {}}, "malformed", "data.amount is missing"),
        ({"data": [3]}, "malformed", "data must be an object, not a list"),
        ({"source": ""}, "malformed", "source must have at least 1 characters"),
        ({"source": "a\x00b"}, "malformed", "no control characters"),
        ({"source": "berth:counters"}, "malformed", "source may not start with berth:"),
        ({"id": "x" * 201}, "malformed", "id must have at most 200 characters"),
        ({"id": 7}, "malformed", "id must be a text, not a whole number"),
        ({"id": "\ud800"}, "malformed", "id"),
        ({"type": "llm_input"}, "unknown_meter", "there is no meter llm_input"),
        ({"type": "llm", "data": {"amount": 1}}, "malformed", "data needs model"),
        (
            {"type": "llm", "data": {"model": "\ud800", "input": 1, "output": 1}},
            "malformed",
            "data.model holds no control characters",
        ),
        (
            {"type": "llm", "data": {"model": "m", "input": 1, "output": 1, "cached": 2}},
            "amount",
            "data.cached is a part of data.input",
        ),
        (
            {"type": "llm", "data": {"model": "m", "input": -1, "output": 1}},
            "amount",
            "data.input must be from 0 to 1000000000",
        ),
        (
            {"type": "llm", "data": {"model": "m", "input": 1, "output": 10**9 + 1}},
            "amount",
            "data.output must be from 0 to 1000000000",
        ),
        (
            {"type": "llm", "data": {"model": "m", "input": 10**30, "output": 1}},
            "amount",
            "data.input must be from 0",
        ),
        ({"instance": "0" * 32}, "other_instance", "the token is of another instance"),
    ],
)
def test_bad_events_are_refused_with_the_reason(
    attributes: dict[str, Any], code: str, reason: str, report: Report, event: Event
) -> None:
    told = report(event("good"), event("bad") | attributes)
    assert told["accepted"] == 1
    (refused,) = told["refused"]
    assert (refused["index"], refused["code"]) == (1, code)
    assert reason in refused["reason"]
    assert UsageEvent.objects.count() == UsageKey.objects.count() == 1


def test_numbers_that_are_none_are_refused_for_themselves(
    post: Callable[..., Any], event: Event
) -> None:
    bodies = ("1e999", "-1e999", "NaN", "-Infinity", "1" * 400)
    for number in bodies:
        good, bad = (str(event(each)).replace("'", '"') for each in ("good", number[:9]))
        told = post(f"[{good}, {bad.replace('3}', number + '}')}]").json()
        (refused,) = told["refused"]
        assert (refused["index"], refused["id"]) == (1, number[:9]), number
        assert refused["reason"].startswith(
            ("data.amount is a number", "data.amount must be a num")
        )
    assert UsageEvent.objects.count() == 1


def test_tokens_of_a_model_are_kept_apart(report: Report, event: Event) -> None:
    data = {"model": "gpt-4o", "input": 100, "output": 20, "cached": 40}
    assert report(event(1, type="llm", data=data))["accepted"] == 1
    kept = UsageEvent.objects.get()
    assert (kept.meter, kept.label) == ("llm", "gpt-4o")
    assert (kept.input, kept.output, kept.cached) == (100, 20, 40)


def test_late_events_lie_in_their_own_time(report: Report, event: Event) -> None:
    then = timezone.now() - timedelta(days=20)
    report(event(1), event(2, then))
    quarter = then.replace(minute=then.minute // 15 * 15, second=0, microsecond=0)
    assert UsageMark.objects.filter(quarter=quarter).count() == 1
    assert UsageEvent.objects.filter(at=then).count() == 1


def test_no_token_opens_but_the_instances_own_while_it_is_in_use(
    book: Instance, token: str, actor: Actor, post: Callable[..., Any], event: Event
) -> None:
    kept = UsageToken.objects.get()
    for wrong in ("", "x", kept.digest, token[:-1], token.upper(), token + " ", "berth_usage_é"):
        response = post([event(1)], token=wrong)
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == "Bearer"
        assert response.json()["title"] == "Unauthorized"
    assert Browser().post("/api/v1/usage/events").status_code == 401
    usage_tokens.revoke(token=kept, actor=actor, now=timezone.now())
    assert post([event(1)]).status_code == 401
    assert UsageEvent.objects.count() == 0


def test_nothing_is_taken_for_an_instance_that_is_gone(
    book: Instance, post: Callable[..., Any], event: Event
) -> None:
    Instance.objects.update(state=Instance.State.DELETED, deleted_at=timezone.now())
    assert post([event(1)]).status_code == 401


def test_it_says_when_a_token_was_used_last(report: Report, event: Event) -> None:
    report(event(1))
    used_at = UsageToken.objects.get().last_used_at
    assert isinstance(used_at, datetime)
    report(event(2))
    assert UsageToken.objects.get().last_used_at == used_at


def test_a_request_costs_few_queries_however_many_events(
    report: Report, event: Event, django_assert_num_queries: Any
) -> None:
    report(event(0))
    with django_assert_num_queries(3):  # token, meters, limits; what is written goes past Django
        report(*(event(f"n{number}") for number in range(500)))


def test_what_is_used_up_is_refused_from_then_on(
    book: Instance, report: Report, event: Event
) -> None:
    now = timezone.now()
    UsageHold.objects.create(
        instance=book,
        limit="tokens",
        kind="block",
        month=usage.month_of(book.client, now),
        allowed=10,
        unit="tokens",
        since=now - timedelta(hours=1),
    )
    data = {"model": "m", "input": 1, "output": 1}
    before = event(1, now - timedelta(hours=2), type="llm", data=data)
    told = report(before, event(2, type="llm", data=data), event(3))
    assert (told["accepted"], told["blocked"]) == (2, ["llm"])
    assert report()["blocked"] == ["llm"]  # also where nothing is reported
    (refused,) = told["refused"]
    assert (refused["index"], refused["code"]) == (1, "limit_reached")
    assert "the limit of llm is used up since" in refused["reason"]


def test_with_the_new_month_it_is_taken_before_anybody_lifted_the_hold(
    book: Instance, report: Report, event: Event
) -> None:
    now = timezone.now()
    last_of_month_before = usage.month_of(book.client, now) - timedelta(days=1)
    UsageHold.objects.create(
        instance=book,
        limit="executions",
        kind="block",
        month=last_of_month_before.replace(day=1),
        allowed=10,
        unit="executions",
        since=now - timedelta(days=40),
    )
    assert report(event(1)) == {"accepted": 1, "duplicates": 0, "refused": [], "blocked": []}


def test_the_description_is_complete_and_open(client: Browser) -> None:
    found = client.get("/api/v1/openapi.json").json()
    assert found["openapi"].startswith("3.")
    operation = found["paths"]["/api/v1/usage/events"]["post"]
    assert operation["security"] == [{"UsageBearer": []}]
    assert {"200", "400", "401", "413"} <= operation["responses"].keys()
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert schema["oneOf"][1]["maxItems"] == 1000


def test_what_is_not_there_is_a_problem_too(client: Browser) -> None:
    browser = Browser(enforce_csrf_checks=True)
    for ask, path in (
        (client.get, "/api/v1/usage/nothing"),
        (browser.post, "/api/v1/usage/events/"),
    ):
        response = ask(path)
        assert response.status_code == 404
        assert response["Content-Type"] == "application/problem+json"
