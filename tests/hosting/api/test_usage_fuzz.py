"""Whatever is sent to the usage API: an answer that adds up, and never a failure of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hosting.models import UsageEvent, UsageKey

FEW = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TEXT = st.text(max_size=8) | st.sampled_from(["1.0", "llm", "executions", "a\x00", "\ud800", "é"])
NUMBER = st.integers() | st.floats() | st.sampled_from([10**400, -0.0, 1e308, 2**63])
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
TIMES = st.datetimes().map(lambda at: at.isoformat() + "Z") | st.just("now") | ANYTHING
DATA = st.fixed_dictionaries(
    {},
    optional={
        "amount": NUMBER | ANYTHING,
        "model": TEXT | ANYTHING,
        **dict.fromkeys(("input", "output", "cached"), NUMBER | ANYTHING),
    },
)
EVENT = st.fixed_dictionaries(
    {
        "specversion": st.just("1.0") | ANYTHING,
        "source": TEXT | ANYTHING,
        "id": TEXT | ANYTHING,
        "type": st.sampled_from(["llm", "executions"]) | ANYTHING,
        "time": TIMES,
    },
    optional={"data": DATA | ANYTHING, "subject": ANYTHING, "instance": ANYTHING},
)


@FEW
@given(events=st.lists(EVENT | ANYTHING, max_size=4))
def test_every_event_is_accepted_a_duplicate_or_refused(
    events: list[Any], post: Callable[..., Any]
) -> None:
    for each in events:
        if isinstance(each, dict) and each.get("time") == "now":
            each["time"] = timezone.now().isoformat()
    with transaction.atomic():
        response = post(json.dumps(events))
        assert response.status_code == 200, response.content
        told = response.json()
        indexes = [each["index"] for each in told["refused"]]
        assert told["accepted"] + told["duplicates"] + len(indexes) == len(events)
        assert indexes == sorted(set(indexes))
        assert all(each["code"] and each["reason"] for each in told["refused"])
        assert UsageEvent.objects.count() == UsageKey.objects.count() == told["accepted"]
        again = post(json.dumps(events)).json()
        assert again["accepted"] == 0
        assert again["duplicates"] == told["accepted"] + told["duplicates"]
        transaction.set_rollback(True)


@FEW
@given(
    body=st.binary(max_size=60)
    | ANYTHING.map(json.dumps)
    | st.text(alphabet='[]{}",:1e', max_size=30)
)
def test_no_body_makes_it_fail(body: bytes | str, post: Callable[..., Any]) -> None:
    if isinstance(body, str):
        body = body.encode(errors="surrogatepass")
    response = post(body)
    assert response.status_code in (200, 400, 415), response.content
    assert response.status_code == 200 or response.json()["detail"]


# Elements of a list that some decoder gives up at, whole as JSON goes: with depth, with what is no
# UTF-8, with halves of characters, with what is no number.
SPOILT = st.one_of(
    st.integers(900, 2_000).map(lambda depth: b"[" * depth + b"]" * depth),
    st.integers(900, 2_000).map(lambda depth: b'{"id":' * depth + b"0" + b"}" * depth),
    st.binary(min_size=1, max_size=6)
    .filter(lambda text: not set(text) & set(b'"\\') and min(text) >= 0x20)
    .map(lambda text: b'{"id": "' + text + b'"}'),
    st.sampled_from([b'{"id": "\\ud800"}', b'{"x": NaN}', b"-Infinity", b'{"id": 1, "id": 2}']),
    (EVENT | ANYTHING).map(lambda each: json.dumps(each).encode()),
)


@settings(FEW, max_examples=60)
@given(spoilt=st.lists(SPOILT, min_size=1, max_size=3), place=st.integers(0, 3))
def test_an_event_is_kept_whatever_stands_beside_it(
    spoilt: list[bytes], place: int, post: Callable[..., Any]
) -> None:
    good = {
        "specversion": "1.0",
        "source": "the good one",
        "id": "1",
        "type": "executions",
        "time": timezone.now().isoformat(),
        "data": {"amount": 1},
    }
    events = list(spoilt)
    events.insert(place, json.dumps(good).encode())
    with transaction.atomic():
        response = post(b"[" + b",".join(events) + b"]")
        assert response.status_code == 200, response.content
        told = response.json()
        refused = [each["index"] for each in told["refused"]]
        assert min(place, len(spoilt)) not in refused
        assert told["accepted"] + told["duplicates"] + len(refused) == len(events)
        assert UsageEvent.objects.filter(source="the good one").count() == 1
        transaction.set_rollback(True)
