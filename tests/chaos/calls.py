"""The calls by which a worker changes something on an engine, and a death before each of them."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from hosting.flows import moments
from hosting.flows.moments import Moment

CHANGES = ("POST", "PUT", "DELETE")
_ID = re.compile(r"[0-9a-f]{64}|chaos-[0-9a-f]{8}[-.\w]*")


@dataclass(frozen=True)
class Call:
    """The so many-th call of a step, from 1 on."""

    step: str
    number: int
    said: str  # method and path


@contextmanager
def recorded() -> Iterator[list[Call]]:
    """What this process asks of engines meanwhile."""
    made: list[Call] = []
    with ExitStack() as stack:
        for each in _patches(made.append):
            stack.enter_context(each)
        yield made


def die_before(places: Collection[tuple[str, int]]) -> Callable[[], None]:
    """What makes a worker's process kill itself right before one of these, by step and number."""

    def prepare() -> None:
        def end(call: Call) -> None:
            if (call.step, call.number) in places:
                os.kill(os.getpid(), signal.SIGKILL)

        for each in _patches(end):  # for as long as the process lives
            each.start()

    return prepare


def _patches(tell: Callable[[Call], None]) -> tuple[Any, Any]:
    """What has each change that is asked for told right before, with its number in the step."""
    send, turn = HTTPAdapter.send, threading.Lock()  # several threads call the engine
    step, count = "", 0

    def reached(kind: str, name: str, moment: Moment) -> None:
        nonlocal step, count
        if moment == Moment.BEFORE:
            step, count = name, 0
        moments.reached(kind, name, moment)

    def watched(adapter: HTTPAdapter, request: PreparedRequest, **options: Any) -> Response:
        nonlocal count
        path = _ID.sub("…", request.path_url.partition("?")[0])
        if request.method in CHANGES and "/exec" not in path:  # commands inside change nothing
            with turn:
                count += 1
                tell(Call(step, count, f"{request.method} {path}"))
        return send(adapter, request, **options)

    steps = mock.patch("hosting.flows.base.reached", reached)
    return steps, mock.patch.object(HTTPAdapter, "send", watched)
