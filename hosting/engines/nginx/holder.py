"""The process that keeps held requests waiting, and tells nginx where to send them afterwards.

nginx keeps the request, body and all; this process is only asked where it is to go, by
``GET /held/<instance>`` with the request's size and none of the client's own words. It answers once
it knows, with an internal redirect to a named location, which keeps method and body.
``/missed/<instance>`` is asked when the instance took no connection: held if a hold has begun.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hosting.engines.errors import GiveUp
from hosting.engines.nginx.holds import Holds

logger = logging.getLogger(__name__)

LOOK_EVERY = 0.05  # seconds; one look at one file for each instance that something waits for
ASK_WITHIN = 5.0  # seconds that nginx may take for its question
BATCH, BATCH_PAUSE = 20, 0.02  # an app that has just come up gets 1,000 requests a second
DIAL_FOR = 10.0  # seconds that a released instance may take until it accepts a connection
LATELY = 10.0  # seconds after a hold in which a request that missed the app is tried once more
END_WITHIN = 3.0  # seconds for telling everybody, when the process is to end

_LINE = re.compile(rb"GET /(held|missed)/([A-Za-z0-9][A-Za-z0-9._-]{0,62}) HTTP/1\.[01]\r\n")
_SIZE = re.compile(rb"\r\nX-Berth-Size: ([0-9]{1,15})\r\n")
_MALFORMED = (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a request is held, and how much in all. Beyond it the edge shows its page."""

    seconds: float = 300
    requests: int = 1_000  # of one instance
    requests_in_all: int = 2_000  # each takes two of nginx's connections
    size: int = 2**30  # bytes of one instance's requests, which lie on the edge's disk meanwhile
    size_in_all: int = 4 * 2**30


@dataclass(frozen=True, slots=True)
class Question:
    """What nginx asks about one request."""

    is_missed: bool
    instance: str
    size: int

    @classmethod
    def parse(cls, head: bytes) -> Question:
        """Raises ``ValueError`` for anything that nginx does not ask."""
        line, size = _LINE.match(head), _SIZE.search(head)
        if line is None or size is None:
            raise ValueError("not a question of nginx's")
        return cls(line[1] == b"missed", line[2].decode(), int(size[1]))


@dataclass(frozen=True, slots=True)
class Answer:
    """The named location that nginx is to go on with, and what it is to dial there."""

    location: str
    upstream: str = ""

    def encode(self) -> bytes:
        """The answer as HTTP. No Content-Type: nginx would put it on an app's answer without."""
        upstream = f"X-Berth-Upstream: {self.upstream}\r\n" if self.upstream else ""
        return (
            f"HTTP/1.1 200 OK\r\nX-Accel-Redirect: @berth_{self.location}\r\n{upstream}"
            "Content-Length: 0\r\nConnection: close\r\n\r\n"
        ).encode()


STARTING, UNREACHABLE = Answer("starting"), Answer("unreachable")
Ticket = asyncio.Future[Answer]


@dataclass(slots=True)
class Places:
    """How much is held, so that one instance can't take what all of them share."""

    limits: Limits
    requests: Counter[str] = field(default_factory=Counter)
    size: Counter[str] = field(default_factory=Counter)

    def has_room(self, question: Question) -> bool:
        """Whether one more request may be held."""
        instance, limits = question.instance, self.limits
        return (
            self.requests[instance] < limits.requests
            and self.requests.total() < limits.requests_in_all
            and self.size[instance] + question.size <= limits.size
            and self.size.total() + question.size <= limits.size_in_all
        )

    @contextmanager
    def taken(self, question: Question) -> Iterator[None]:
        """One place, given back at the end whatever happens."""
        self.requests[question.instance] += 1
        self.size[question.instance] += question.size
        try:
            yield
        finally:
            self.requests[question.instance] -= 1
            self.size[question.instance] -= question.size
            if not self.requests[question.instance]:
                del self.requests[question.instance], self.size[question.instance]


class Holder:
    """Holds the requests of one edge directory, on a socket in it."""

    def __init__(self, directory: Path, limits: Limits) -> None:
        self._directory = directory
        self._limits = limits
        self._holds = Holds(directory)
        self._places = Places(limits)
        self._waiting: dict[str, dict[Ticket, None]] = {}  # in the order in which they came
        self._something_waits = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_over = False

    async def run(self, over: asyncio.Event) -> None:
        """Serve until ``over`` is set, then let everything that is held go to the edge's page.

        Raises ``GiveUp`` where another process holds this directory's requests.
        """
        path = self._directory / "hold.sock"
        with _only_one(self._directory / "hold.lock"):
            new = path.with_suffix(".new")
            server = await asyncio.start_unix_server(
                self._serve, new, limit=4096, backlog=self._limits.requests_in_all
            )
            new.chmod(0o666)  # nginx's own user asks; there is nothing to be learned from it
            new.rename(path)  # so that it is there only once nginx may ask
            watch = asyncio.create_task(self._watch())
            await over.wait()
            server.close()
            path.unlink(missing_ok=True)
            watch.cancel()
            await self._let_all_go()

    # One request

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with self._among_tasks():
            try:
                async with asyncio.timeout(ASK_WITHIN):
                    question = Question.parse(await reader.readuntil(b"\r\n\r\n"))
                answer = await self._answer(question, reader)
                if answer is not None:
                    writer.write(answer.encode())
                    await writer.drain()
            except _MALFORMED as error:
                logger.warning("a question that is none: %s", type(error).__name__)
            except (OSError, TimeoutError) as error:
                logger.info("nginx went away: %s", type(error).__name__)
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()

    async def _answer(self, question: Question, reader: asyncio.StreamReader) -> Answer | None:
        """Where the request is to go, as soon as that is known; None if its client has gone."""
        if self._is_over:
            return STARTING
        if not self._holds.is_held(question.instance):
            return await self._not_held(question)
        if not self._places.has_room(question):
            logger.warning("instance %s: no room to hold another request", question.instance)
            return STARTING
        with self._places.taken(question):
            return await self._wait(question.instance, reader)

    async def _not_held(self, question: Question) -> Answer:
        """The hold ended before the question came; or there was none, and the app is away."""
        if not question.is_missed:
            return await self._outcome(question.instance)
        after = self._holds.after(question.instance)
        if after is None or time.time() - after.ended_at > LATELY:
            return UNREACHABLE
        is_back = after.state == "serving" and await _takes_a_connection(after.upstream)
        return Answer("app", after.upstream) if is_back else UNREACHABLE

    async def _wait(self, instance: str, reader: asyncio.StreamReader) -> Answer | None:
        ticket: Ticket = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(instance, {})[ticket] = None
        self._something_waits.set()
        gone = asyncio.create_task(reader.read(1))  # nginx hangs up when its client does
        either: set[asyncio.Future[Any]] = {ticket, gone}
        try:
            done, _ = await asyncio.wait(
                either, timeout=self._limits.seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            gone.cancel()
            self._forget(instance, ticket)
        if ticket in done:
            return ticket.result()
        ticket.cancel()
        return None if gone in done else STARTING

    def _forget(self, instance: str, ticket: Ticket) -> None:
        tickets = self._waiting.get(instance, {})
        tickets.pop(ticket, None)
        if not tickets:
            self._waiting.pop(instance, None)

    # All that wait

    async def _watch(self) -> None:
        """Look for holds that have ended, only while something waits."""
        while True:
            if not self._waiting:
                self._something_waits.clear()
                await self._something_waits.wait()
            for instance in [each for each in self._waiting if not self._holds.is_held(each)]:
                tickets = list(self._waiting.pop(instance))
                self._tasks.add(asyncio.create_task(self._release(instance, tickets)))
            await asyncio.sleep(LOOK_EVERY)

    async def _release(self, instance: str, tickets: list[Ticket]) -> None:
        """First come, first served."""
        with self._among_tasks():
            answer = await self._outcome(instance)
            logger.info("instance %s: %d held, now %s", instance, len(tickets), answer.location)
            for number, ticket in enumerate(tickets, start=1):
                if not ticket.done():
                    ticket.set_result(answer)
                if number % BATCH == 0:
                    await asyncio.sleep(BATCH_PAUSE)

    async def _outcome(self, instance: str) -> Answer:
        """Where requests go now that the hold has ended."""
        after = self._holds.after(instance)
        if after is None or after.state == "holding":
            return STARTING
        if after.state != "serving":
            return Answer(after.state)
        deadline = time.monotonic() + DIAL_FOR
        while not await _takes_a_connection(after.upstream):
            if time.monotonic() > deadline:
                return UNREACHABLE
            await asyncio.sleep(0.1)
        return Answer("app", after.upstream)

    async def _let_all_go(self) -> None:
        self._is_over = True
        for tickets in self._waiting.values():
            for ticket in tickets:
                if not ticket.done():
                    ticket.set_result(STARTING)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=END_WITHIN)
            for task in late:  # nginx sees the connection close, and shows its page
                task.cancel()

    @contextmanager
    def _among_tasks(self) -> Iterator[None]:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  (called from coroutines alone)
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)


async def _takes_a_connection(upstream: str) -> bool:
    """Whether something accepts connections at that address:port."""
    address, _, port = upstream.partition(":")
    try:
        async with asyncio.timeout(1):
            _, writer = await asyncio.open_connection(address, int(port))
    except (OSError, TimeoutError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise GiveUp(f"requests of the edge in {path.parent} are held already") from None
        yield
