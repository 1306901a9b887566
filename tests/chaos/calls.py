"""The calls by which a worker changes something on an engine, and a death before each of them."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

CHANGES = ("POST", "PUT", "DELETE")
_ID = re.compile(r"[0-9a-f]{64}|chaos-[0-9a-f]{8}[-.\w]*")


@contextmanager
def recorded() -> Iterator[list[str]]:
    """What this process asks of engines meanwhile, each as method and path."""
    said: list[str] = []
    with mock.patch.object(HTTPAdapter, "send", _watched(said.append)):
        yield said


def die_before(number: int) -> Callable[[], None]:
    """What makes a worker's process kill itself right before so many-th change is asked for."""

    def prepare() -> None:
        said: list[str] = []
        turn = threading.Lock()  # several threads call the engine

        def count(call: str) -> None:
            with turn:
                said.append(call)
                if len(said) == number:
                    os.kill(os.getpid(), signal.SIGKILL)

        mock.patch.object(HTTPAdapter, "send", _watched(count)).start()

    return prepare


def _watched(tell: Callable[[str], None]) -> Callable[..., Response]:
    real = HTTPAdapter.send

    def send(adapter: HTTPAdapter, request: PreparedRequest, **options: Any) -> Response:
        path = _ID.sub("…", request.path_url.partition("?")[0])
        if request.method in CHANGES and "/exec" not in path:  # commands inside change nothing
            tell(f"{request.method} {path}")
        return real(adapter, request, **options)

    return send
