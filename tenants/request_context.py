"""Which request something happens in: for the audit log and for log lines."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Where a request came from. All empty outside of requests."""

    address: str | None = None
    user_agent: str = ""
    request_id: str = ""


_NONE = RequestContext()
_current: ContextVar[RequestContext] = ContextVar("berth_request", default=_NONE)


def current() -> RequestContext:
    """The request that is being answered here, or an empty one."""
    return _current.get()


class entered:  # noqa: N801  (reads as a statement: with entered(context))
    """Makes a context current inside a ``with``."""

    def __init__(self, context: RequestContext) -> None:
        self._context = context

    def __enter__(self) -> RequestContext:
        self._token = _current.set(self._context)
        return self._context

    def __exit__(self, *error: object) -> None:
        _current.reset(self._token)


class RequestIdFilter(logging.Filter):
    """Gives every log record a ``request_id``, ``-`` outside of requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record."""
        record.request_id = current().request_id or "-"
        return True
