"""What stands in a request of the usage API: bodies that can't be read, and events among them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client as Browser

from hosting.models import UsageEvent

Event = Callable[..., dict[str, Any]]
Report = Callable[..., Any]


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b" ", 400, "The body is no JSON"),
        (b"{", 400, "The body is no JSON"),
        (b"3", 400, "an event or a list of events"),
        (b'"x"', 400, "an event or a list of events"),
        (b"[\xff]", 400, "The body is no"),
        (b"[" * 10_000, 400, "The body is no JSON: it ends too early"),
        (b"[" * 1_000_000 + b"]" * 1_000_000, 400, "nested too deeply"),
        (b"[" + b"0," * 1000 + b"0]", 400, "at most 1000 events, and this one 1001"),
        (b"[" + b" " * 2 * 1024 * 1024 + b"]", 413, "A request may have 2097152 bytes"),
    ],
)
def test_a_body_that_cannot_be_read_is_a_problem_as_a_whole(
    body: bytes, status: int, detail: str, post: Callable[..., Any]
) -> None:
    response = post(body)
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == status
    assert detail in response.json()["detail"]


@pytest.mark.parametrize(
    ("attribute", "reason"),
    [
        (b'"x": ' + b"[" * 5000 + b"]" * 5000, "the event is nested too deeply"),
        (b'"data": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000, "the event is nested too deeply"),
        (b'"id": "\xff"', "the event holds a text that is not UTF-8"),
        (b'"id": "\\ud800"', "source, id, type and subject hold no control characters"),
        (b'"id": "\\u0000"', "source, id, type and subject hold no control characters"),
        (b'"data": {"amount": NaN}', "data.amount must be a number from 0 to 1000000000000"),
        (b'"data": {"amount": 1e999}', "data.amount is a number out of range"),
    ],
)
def test_one_that_no_decoder_likes_is_refused_and_its_neighbours_are_kept(
    attribute: bytes, reason: str, post: Callable[..., Any], event: Event
) -> None:
    good = [json.dumps(event(number)).encode() for number in (1, 2)]
    spoilt = json.dumps(event(3)).encode()[:-1] + b", " + attribute + b"}"
    response = post(b"[" + b", ".join((good[0], spoilt, good[1])) + b"]")
    assert response.status_code == 200, response.content
    told = response.json()
    assert (told["accepted"], [each["index"] for each in told["refused"]]) == (2, [1])
    assert told["refused"][0]["reason"] == reason


def test_several_kinds_of_trouble_in_one_body_spoil_nothing(
    post: Callable[..., Any], event: Event
) -> None:
    good = [json.dumps(event(number)).encode() for number in (1, 2)]
    bad = [b"[" * 5000 + b"]" * 5000, b'{"id": "\xff", "x": NaN}', b'{"id": "\\udc00"}']
    told = post(b"[" + b",".join((bad[0], good[0], bad[1], good[1], bad[2])) + b"]").json()
    assert told["accepted"] == 2
    assert [each["index"] for each in told["refused"]] == [0, 2, 4]


def test_a_number_of_thousands_of_digits_spoils_nothing_beside_one_that_is_none(
    post: Callable[..., Any], event: Event
) -> None:
    good = json.dumps(event(1)).encode()
    bad = [good.replace(b'"amount": 3', b'"amount": ' + each) for each in (b"9" * 5000, b"NaN")]
    told = post(b"[" + b",".join((bad[0], good, bad[1])) + b"]").json()
    assert told["accepted"] == 1
    assert [(each["index"], each["code"]) for each in told["refused"]] == [
        (0, "amount"),
        (2, "amount"),
    ]


def test_a_mark_of_the_byte_order_is_let_be(post: Callable[..., Any], event: Event) -> None:
    body = json.dumps(event(1)).encode()
    assert post(b"\xef\xbb\xbf" + body).json()["accepted"] == 1
    assert post(b"\xef\xbb\xbf[" + body + b"]").json()["duplicates"] == 1


def test_of_an_attribute_that_is_there_twice_the_last_counts(
    post: Callable[..., Any], event: Event
) -> None:
    body = json.dumps(event(1)).encode()[:-1] + b', "id": "once more"}'
    assert post(body).json()["accepted"] == 1
    assert UsageEvent.objects.get().event_id == "once more"


def test_the_body_has_to_be_json_as_it_is(post: Callable[..., Any], event: Event) -> None:
    assert post(event(1), content_type="text/plain").status_code == 415
    assert post(event(1), **{"Content-Encoding": "gzip"}).status_code == 415
    assert UsageEvent.objects.count() == 0


def test_another_method_is_a_problem() -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS"):
        response = Browser().generic(method, "/api/v1/usage/events")
        assert (response.status_code, response["Allow"]) == (405, "POST")
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["detail"] == "Events are reported with POST."


def test_the_length_of_the_body_has_to_be_known(post: Callable[..., Any], event: Event) -> None:
    for length in ("", "-1", "٣", "²", "many"):
        response = post(event(1), CONTENT_LENGTH=length)
        assert (response.status_code, response.json()["status"]) == (411, 411)
    for digits in (30, 5000):
        assert post(event(1), CONTENT_LENGTH="9" * digits).status_code == 413
    assert UsageEvent.objects.count() == 0
