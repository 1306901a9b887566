"""Scalar types of catalog files: strict, with one sentence for what does not fit."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, Strict, StringConstraints

_DURATION_UNITS = {
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|h|m|s)")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}")
_USER = re.compile(r"[0-9]+(:[0-9]+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*")  # RFC 6838, 4.2
_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_ADDRESS = re.compile(r"https?://\S+")
_METER = re.compile(r"[a-z][a-z0-9_]{0,39}")
_SERIES = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,99}")
_SETTING = re.compile(r"[A-Z][A-Z0-9_]*")


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    parts = _DURATION.findall(value) if isinstance(value, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError(f"{value} is not a duration such as 10s, 1m30s or 500ms")
    total = timedelta()
    for number, unit in parts:
        total += float(number) * _DURATION_UNITS[unit]
    return total


def duration_text(value: timedelta) -> str:
    """As Compose writes it; parsing it gives the same duration.

    Whole seconds stay whole: docker-compose 1.29 makes a float of "10000ms", which an engine
    refuses as the time to stop.
    """
    milliseconds = value // timedelta(milliseconds=1)
    return f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"


def _decimal(value: Any) -> Decimal:
    if isinstance(value, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return Decimal(value)
    if isinstance(value, (Decimal, int)) and not isinstance(value, bool):
        return Decimal(value)
    raise ValueError(f"{value} is not a number such as 0.5")


def _matches(pattern: re.Pattern[str], sentence: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(f"{value!r} {sentence}")
        return value

    return AfterValidator(check)


def _absolute(value: str) -> str:
    parts = value.split("/")
    if not value.startswith("/") or ".." in parts or "\n" in value:
        raise ValueError(f"{value!r} must be an absolute path without ..")
    return value


Text = Annotated[str, Strict(), StringConstraints(min_length=1)]
Switch = Annotated[bool, Strict()]
Count = Annotated[int, Strict()]
Duration = Annotated[timedelta, BeforeValidator(_duration), PlainSerializer(duration_text)]
Number = Annotated[Decimal, BeforeValidator(_decimal), PlainSerializer(str, when_used="json")]
Label = Annotated[
    Text,
    _matches(
        _DNS_LABEL,
        "must be a DNS label: lower case letters, digits and inner hyphens, 63 characters at most",
    ),
]
"""A name that is used as a host name."""
Name = Annotated[
    Text, _matches(_NAME, "must be letters, digits, _, . and -, 63 characters at most")
]
MeterName = Annotated[
    Text, _matches(_METER, "must be lower case letters, digits and _, 40 characters at most")
]
SeriesName = Annotated[Text, _matches(_SERIES, "must be the name of a Prometheus series")]
SettingName = Annotated[Text, _matches(_SETTING, "must be upper case letters, digits and _")]
UserId = Annotated[Text, _matches(_USER, 'must be numeric, such as "1000:1000"')]
Tag = Annotated[Text, _matches(_TAG, "must be a tag of an image: letters, digits, _, . and -")]
WebAddress = Annotated[
    Text, _matches(_ADDRESS, "must be an address that starts with http:// or https://")
]
MediaType = Annotated[
    Text, _matches(_MEDIA_TYPE, "must be a media type in lower case, such as application/json")
]
PlainPath = Annotated[
    Text, _matches(_PLAIN_PATH, "must be a path of letters, digits and . _ ~ -, such as /metrics")
]
AbsolutePath = Annotated[Text, AfterValidator(_absolute)]
