"""One look at whether a web address answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import httpx


@dataclass(frozen=True, slots=True)
class Probe:
    """What came back: a status, or the reason why nothing did."""

    status: int | None
    error: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether the answer was a 2xx."""
        return self.status is not None and 200 <= self.status < 300


def http(url: str, *, host: str, timeout: timedelta = timedelta(seconds=5)) -> Probe:
    """GET the URL under that Host name, following no redirect."""
    try:
        # Streamed, since the body is a tenant's, may never end, and nobody reads it.
        with httpx.stream(
            "GET",
            url,
            headers={"Host": host},
            timeout=timeout.total_seconds(),
            follow_redirects=False,
            trust_env=False,  # a proxy of the worker's environment has no business here
        ) as response:
            return Probe(status=response.status_code)
    except httpx.HTTPError as error:
        return Probe(status=None, error=str(error) or type(error).__name__)
