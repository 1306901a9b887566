"""Whether an event that an app reports can be counted, and as what: rules without a database."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from hosting.catalog.meters import LLM, LLM_METERS, Meter

SKEW = timedelta(minutes=5)  # clocks differ: so far ahead is taken for now
LARGEST = 10**12
MOST_TOKENS = 10**9  # of one call: sums of a day stay within 64 bits, however many there are
OWN_SOURCE = "berth:counters"  # what Berth itself read; no app may call itself so
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")

Word = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Data(msgspec.Struct, gc=False):
    """What an event says of what was used; which of it is needed, its meter says."""

    amount: float | None = None
    model: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    input: int | None = None
    output: int | None = None
    cached: int | None = None


class Event(msgspec.Struct, gc=False):
    """An event in the shape of CloudEvents 1.0; attributes that are not here are let be.

    ``instance`` is an extension: an app that knows its instance can have it checked.
    """

    specversion: str
    source: Word
    id: Word
    type: Word
    time: Annotated[datetime, msgspec.Meta(tz=True)]
    subject: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    data: Data | None = None
    instance: str | None = None


class Usage(msgspec.Struct, gc=False, array_like=True):
    """What is written down of an event."""

    at: datetime
    meter: str
    label: str
    amount: float
    key: str
    is_level: bool
    input: int | None
    output: int | None
    cached: int | None
    source: str
    event_id: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an event is not counted: ``code`` for programs, ``reason`` for people."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rules:
    """What has to be known of the instance.

    ``blocked`` names types of events that are used up: since when, and until when at the latest.
    """

    instance_id: uuid.UUID
    existed_at: datetime
    oldest: timedelta
    now: datetime
    meters: Mapping[str, Meter]
    blocked: Mapping[str, tuple[datetime, datetime]] = field(default_factory=dict)

    @property
    def earliest(self) -> datetime:
        """Before it, nothing can have been used, or it is too long ago."""
        return max(self.now - self.oldest, self.existed_at - SKEW)

    @property
    def last(self) -> datetime:
        """After it, nothing can have been used yet."""
        return self.now + SKEW


def check(event: Event, rules: Rules) -> Usage | Refusal:
    """What is to be written down, or why it is not counted."""
    refusal = _attributes(event, rules) or _time(event, rules)
    if refusal is not None:
        return refusal
    found = _tokens(event) if event.type == LLM else _amount(event, rules.meters.get(event.type))
    if isinstance(found, Usage) and found.meter in rules.blocked:
        since, until = rules.blocked[found.meter]
        if since <= event.time < until:
            reason = f"the limit of {found.meter} is used up since {since:%Y-%m-%dT%H:%M:%SZ}"
            return Refusal("limit_reached", reason)
    return found


def _attributes(event: Event, rules: Rules) -> Refusal | None:
    if event.specversion != "1.0":
        return Refusal("specversion", "specversion must be 1.0")
    for text in (event.source, event.id, event.type, event.subject or ""):
        if _UNPRINTABLE.search(text):
            return Refusal("malformed", "source, id, type and subject hold no control characters")
    if event.source.startswith("berth:"):
        return Refusal("malformed", "source may not start with berth:, which is Berth's own")
    if event.instance is not None and event.instance.lower() != str(rules.instance_id):
        return Refusal("other_instance", "the token is of another instance than the event")
    return None


def _time(event: Event, rules: Rules) -> Refusal | None:
    if event.time > rules.last:
        return Refusal("future", "time lies in the future; at most 5 minutes are let pass")
    if event.time >= rules.earliest:
        return None
    if event.time < rules.existed_at - SKEW:
        return Refusal("before_instance", "time lies before the instance existed")
    return Refusal("too_old", f"time lies more than {rules.oldest.days} days back")


def _tokens(event: Event) -> Usage | Refusal:
    data = event.data
    if data is None or data.model is None or data.input is None or data.output is None:
        return Refusal("malformed", "data needs model, input and output, and may have cached")
    cached = data.cached or 0
    for name, value in (("input", data.input), ("output", data.output), ("cached", cached)):
        if not 0 <= value <= MOST_TOKENS:
            return Refusal("amount", f"data.{name} must be from 0 to {MOST_TOKENS}")
    if cached > data.input:
        return Refusal("amount", "data.cached is a part of data.input, and can't be more")
    if _UNPRINTABLE.search(data.model) or data.model.strip() != data.model:
        return Refusal("malformed", "data.model holds no control characters, nor outer spaces")
    return _usage(event, label=data.model, amount=1.0, tokens=(data.input, data.output, cached))


def _amount(event: Event, meter: Meter | None) -> Usage | Refusal:
    if meter is None or event.type in LLM_METERS:
        return Refusal("unknown_meter", f"there is no meter {event.type}")
    if meter.aggregation == "count":
        return _usage(event, amount=1.0)
    if meter.aggregation == "unique":
        if not event.subject:
            return Refusal("malformed", f"subject is missing; {event.type} counts different ones")
        return _usage(event, amount=1.0, key=event.subject)
    amount = event.data.amount if event.data else None
    if amount is None:
        return Refusal("malformed", "data.amount is missing")
    if not math.isfinite(amount) or not 0 <= amount <= LARGEST:
        return Refusal("amount", f"data.amount must be a number from 0 to {LARGEST}")
    return _usage(event, amount=amount, is_level=meter.is_level)


def _usage(
    event: Event,
    *,
    amount: float,
    label: str = "",
    key: str = "",
    is_level: bool = False,
    tokens: tuple[int | None, int | None, int | None] = (None, None, None),
) -> Usage:
    given, answered, cached = tokens
    return Usage(
        at=event.time,
        meter=event.type,
        label=label,
        amount=amount,
        key=key,
        is_level=is_level,
        input=given,
        output=answered,
        cached=cached,
        source=event.source,
        event_id=event.id,
    )
