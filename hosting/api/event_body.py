"""The body of a request that reports usage: events, each read for itself."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from hosting.api import elements
from hosting.services.measuring.usage_checks import Event
from hosting.services.measuring.usage_events import Unread

AT_MOST = 1000
LARGEST_BYTES = 2 * 1024 * 1024
_MOST_DIGITS = 400  # more than any number that is counted has


class _Identified(msgspec.Struct):
    """What an event is called; whatever else is in it is passed over."""

    id: Any = None


_ALL = msgspec.json.Decoder(list[Event])
_ONE = msgspec.json.Decoder(Event)
_ID = msgspec.json.Decoder(_Identified)
_RAW = msgspec.json.Decoder(list[msgspec.Raw])
_PLACE = re.compile(r" - at `\$\.?(?P<place>[^`]*)`$")
_WORDS = {
    "str": "a text",
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "null": "null",
    "object": "an object",
    "array": "a list",
    "datetime": "a time such as 2026-03-01T12:00:00Z",
}


class Malformed(Exception):
    """The body as a whole can't be read; the text says why."""


def read(body: bytes) -> Sequence[Event | Unread]:
    """The events of a body, which is one of them or a list. Raises ``Malformed``."""
    body = body.removeprefix(codecs.BOM_UTF8)
    if body.lstrip()[:1] == b"{":
        body = b"[" + body + b"]"
    try:
        return _counted(_read(body))
    except RecursionError:
        pass
    try:
        apart = elements.split(body)
    except elements.NotJson as error:
        raise Malformed(f"The body is no JSON: {error}.") from error
    return [_alone(each) for each in _counted(apart)]


def _alone(element: bytes) -> Event | Unread:
    """One of a list in which one is nested too deeply."""
    try:
        (event,) = _read(b"[" + element + b"]")
    except RecursionError:
        return Unread(None, "the event is nested too deeply")
    return event


def _read(body: bytes) -> Sequence[Event | Unread]:
    try:
        return _ALL.decode(body)
    except msgspec.ValidationError:
        pass
    except msgspec.DecodeError:
        return _leniently(body)
    except UnicodeDecodeError:
        pass
    try:
        raw = _RAW.decode(body)
    except msgspec.ValidationError as error:
        raise Malformed("The body must be an event or a list of events.") from error
    except msgspec.DecodeError:
        return _leniently(body)
    return [_one(each) for each in _counted(raw)]


def _one(raw: msgspec.Raw) -> Event | Unread:
    try:
        return _ONE.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Unread(_id_of(raw), _reason(error))


def _id_of(raw: msgspec.Raw) -> str | None:
    try:
        return _text(_ID.decode(raw).id)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _leniently(body: bytes) -> Sequence[Event | Unread]:
    """With what is no JSON but is written by many (NaN, Infinity), so that the rest can be kept.

    What is not UTF-8 in a text becomes what no attribute may hold.
    """
    try:
        text = body.decode(json.detect_encoding(body), "surrogateescape")
        found = json.loads(text, parse_int=_whole)
    except ValueError as error:
        raise Malformed(f"The body is no JSON: {error}.") from error
    if not isinstance(found, list):
        raise Malformed("The body must be an event or a list of events.")
    return [_converted(each) for each in _counted(found)]


def _whole(digits: str) -> float:
    """A whole number; one that Python would not read, for its length, is above every bound."""
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


def _converted(found: Any) -> Event | Unread:
    try:
        return msgspec.convert(found, Event)
    except (msgspec.ValidationError, UnicodeEncodeError, OverflowError) as error:
        return Unread(_named(found), _reason(error))


def _counted(events: Sequence[Any]) -> Sequence[Any]:
    if len(events) > AT_MOST:
        raise Malformed(f"A request holds at most {AT_MOST} events, and this one {len(events)}.")
    return events


def _named(found: Any) -> str | None:
    """The id of an event that can't be read, as far as it can be repeated."""
    return _text(found.get("id")) if isinstance(found, dict) else None


def _text(name: object) -> str | None:
    return name[:200].encode(errors="replace").decode() if isinstance(name, str) else None


def _reason(error: Exception) -> str:
    """The error in our words: what is wrong where."""
    if isinstance(error, UnicodeDecodeError):
        return "the event holds a text that is not UTF-8"
    text = str(error)
    found = _PLACE.search(text)
    place = found["place"] if found else ""
    text = text[: found.start()] if found else text
    missing = re.fullmatch(r"Object missing required field `(\w+)`", text)
    if missing:
        return f"{'.'.join(filter(None, (place, missing[1])))} is missing"
    if "timezone" in text:
        return f"{place} needs an offset, such as the Z in 2026-03-01T12:00:00Z"
    if text.startswith("Invalid RFC3339"):
        return f"{place} must be {_WORDS['datetime']}"
    if text == "Number out of range":
        return f"{place} is a number out of range"
    length = re.fullmatch(r"Expected `str` of length (>=|<=) (\d+)", text)
    if length:
        bound = "at least" if length[1] == ">=" else "at most"
        return f"{place} must have {bound} {length[2]} characters"
    wrong = re.match(r"Expected `(\w+)[^`]*`, got `(\w+)`", text)
    if wrong:
        wanted, got = (_WORDS.get(each, f"an {each}") for each in wrong.groups())
        return f"{place or 'an event'} must be {wanted}, not {got}"
    return f"{place or 'the event'} can't be read"
