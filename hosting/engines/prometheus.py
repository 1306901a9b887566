"""Reading what an app tells Prometheus. It is a tenant's, so it may be long, slow, or nonsense."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import httpx
from prometheus_client.parser import text_string_to_metric_families

from hosting.engines import bounded_get

LARGEST_BYTES = 2 * 1024 * 1024
MOST_SAMPLES = 10_000
LONGEST_SAMPLE = 1024  # the parser takes time by the square of it
LONGEST_REASON = 200
TIMEOUT = timedelta(seconds=5)
LARGEST_VALUE = 2.0**53  # from there on a float skips whole numbers


_NAME = re.compile(r"[{\s]")


class Unreadable(Exception):
    """The endpoint did not answer, not in time, or with something else; the text says which."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A series, and the labels that a sample of it has to have."""

    series: str
    where: Mapping[str, str]


def fetch(url: str, *, host: str, timeout: timedelta = TIMEOUT) -> str:
    """The endpoint's text, under that Host name. Raises ``Unreadable``.

    The time limit is for the whole answer, however slowly it comes.
    """
    headers = {"Host": host, "Accept": "text/plain", "Accept-Encoding": "identity"}
    try:
        body = bounded_get.get(url, headers=headers, timeout=timeout, read=_body)
    except TimeoutError as error:
        raise Unreadable("it did not end its answer in time") from error
    except httpx.HTTPError as error:
        raise Unreadable(f"it did not answer: {str(error) or type(error).__name__}") from error
    return body.decode(errors="replace")


async def _body(response: httpx.Response) -> bytes:
    if response.status_code != httpx.codes.OK:
        raise Unreadable(f"it answered {response.status_code}")
    parts, size = [], 0
    async for part in response.aiter_raw():
        parts.append(part)
        size += len(part)
        if size > LARGEST_BYTES:
            raise Unreadable(f"it answered with more than {LARGEST_BYTES} bytes")
    return b"".join(parts)


def read(text: str, wanted: Iterable[Wanted]) -> Mapping[int, float]:
    """The sum of the fitting samples by the place of what was wanted; what has none is left out.

    Only lines of the wanted series are parsed. Raises ``Unreadable``.
    """
    asked = list(enumerate(wanted))
    names = {each.series for _, each in asked}
    found: dict[int, float] = {}
    for name, labels, value in _samples(text, names):
        for place, each in asked:
            if each.series == name and each.where.items() <= labels.items():
                found[place] = found.get(place, 0.0) + value
    return found


def _samples(text: str, names: set[str]) -> Iterable[tuple[str, Mapping[str, str], float]]:
    """Name, labels and value of each sample that can be counted."""
    own = [line for line in text.split("\n") if _NAME.split(line, maxsplit=1)[0] in names]
    if len(own) > MOST_SAMPLES:
        raise Unreadable(f"it has more than {MOST_SAMPLES} samples of what is wanted")
    if any(len(line) > LONGEST_SAMPLE for line in own):
        raise Unreadable(f"it has a sample of more than {LONGEST_SAMPLE} characters")
    try:
        for family in text_string_to_metric_families("\n".join(own) + "\n"):
            for sample in family.samples:
                if math.isfinite(sample.value) and 0 <= sample.value <= LARGEST_VALUE:
                    yield sample.name, sample.labels, sample.value
    except (ValueError, KeyError, IndexError) as error:
        reason = str(error)[:LONGEST_REASON]  # with the tenant's own words in it
        raise Unreadable(f"its answer can't be read: {reason}") from error
