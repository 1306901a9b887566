"""One look at whether a web address answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import httpx

from hosting.engines import bounded_get


@dataclass(frozen=True, slots=True)
class Probe:
    """What came back: a status, and the reason why it is not good where that doesn't say it."""

    status: int | None
    error: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether the answer was a 2xx, of the media type that was expected if any was."""
        return self.status is not None and 200 <= self.status < 300 and not self.error


def judged(status: int, content_type: str, expected: str) -> Probe:
    """The answer, wrong where it is a 2xx of another media type than ``expected`` (if given).

    ``content_type`` is the header's value (RFC 9110, 8.3), parameters included.
    """
    found = content_type.partition(";")[0].strip().lower()
    if not expected or not 200 <= status < 300 or found == expected:
        return Probe(status)
    said = f"with {found or 'no media type'}"
    return Probe(status, f"the app answered {status} {said}, and not yet with {expected}")


def http(
    url: str, *, host: str, media_type: str = "", timeout: timedelta = timedelta(seconds=5)
) -> Probe:
    """GET the URL under that Host name, following no redirect; see :func:`judged`."""

    async def read(response: httpx.Response) -> Probe:
        """By the head alone: the body is a tenant's, may never end, and nobody reads it."""
        found = response.headers.get("Content-Type", "")
        return judged(response.status_code, found, media_type)

    try:
        return bounded_get.get(url, headers={"Host": host}, timeout=timeout, read=read)
    except TimeoutError:
        return Probe(status=None, error=f"no answer within {timeout.total_seconds():g} s")
    except httpx.HTTPError as error:
        return Probe(status=None, error=str(error) or type(error).__name__)
