"""What Berth asks of an engine.

An engine runs stacks. It knows no database, no client and no Django: it is given a whole ``Stack``
(``wanted``) and makes the world look like it, and it answers with what it sees (``observed``). What
it cannot do it says with ``errors``. Everything that it creates carries ``labels``, and everything
that it finds, it finds by them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from hosting.engines.observed import (
    Capacity,
    Event,
    ObjectKind,
    Observed,
    Reading,
    RunResult,
)
from hosting.engines.wanted import Stack

VOLUME_SILENCE = timedelta(minutes=2)
"""How long an engine may need for a volume without moving a byte: to write a big file, say."""

Report = Callable[[str], None]
"""Called with one line for a person before each change; what it raises stops the work there.

The flow runner passes a function that first checks the lease, the cancel flag and the deadline, so
that no engine is touched by a worker that has lost its operation.
"""


def silent(line: str) -> None:
    """A ``Report`` for callers that want none."""


class Engine(Protocol):
    """A server's way of running stacks. Every verb may be called twice with the same result.

    All verbs raise ``EngineUnavailable`` when the engine does not answer, ``TryLater`` for what may
    pass and ``GiveUp`` for what will not.
    """

    def permitted(self, permit: Callable[[], None]) -> Engine:
        """The same engine, which calls ``permit`` before each single call that changes something.

        What it raises stops the verb there. A verb may make many calls after its last ``report``.
        """

    def close(self) -> None:
        """Give the connections back; the engine stays usable."""

    def capacity(self) -> Capacity:
        """What the server has; also the cheapest way to ask whether it answers."""

    def pull(self, stack: Stack, *, report: Report = silent) -> Mapping[str, str]:
        """Make every image of the stack present; return image -> the name of exactly its content.

        That is ``repository@sha256:...`` for an image from a registry, and the image's own name for
        one that was built on the server.

        Raises ``GiveUp`` naming the image when it does not exist.
        """

    def prepare(self, stack: Stack, *, report: Report = silent) -> None:
        """Create the networks and volumes that are missing. Raises ``SubnetTaken``.

        External volumes are never created: ``GiveUp`` where one is missing, or is not the owner's.
        """

    def apply(self, stack: Stack, *, report: Report = silent) -> None:
        """Converge to the stack: pull, prepare, then the services in dependency order.

        A container whose spec hash fits is left alone (started if it is stopped), any other of the
        instance is replaced or removed; a service starts once those it depends on are ready, and
        services that wait for nothing start in parallel. Volumes are never removed. Images are all
        present before anything stops. A network whose subnet or kind differs is made anew.
        A service that no other depends on is only started: ask ``is_ready`` for it.
        What ``altered`` names on a container that stays is put right without restarting it.

        Raises ``GiveUp`` as soon as a service that others wait for has ended for good, with its
        last log lines, and where a container of somebody else holds the name of one of the stack;
        ``TryLater`` when a service is not ready within its readiness' time.
        """

    def restart(self, stack: Stack, service: str, *, report: Report = silent) -> None:
        """Stop the service's container within its grace and start the same one again.

        For one that hangs; one that is stopped is started. Nothing waits for it to be ready.
        Raises ``GiveUp`` where there is no container that was ever started.
        """

    def is_ready(self, stack: Stack, service: str) -> bool:
        """Run the service's readiness command once, now. True where it declares none and runs.

        Raises ``GiveUp``, with its last log lines, for one that ends each time it is started.
        """

    def observe(self, instance: str) -> Observed:
        """What exists of the instance, from a look at each container."""

    def observe_all(self, owner: str) -> Mapping[str, Observed]:
        """What exists of every instance of that owner, by instance, in one list call a kind.

        Under ``""``, only if there is any, what carries the owner's label and no instance's.
        """

    def stop(self, stack: Stack, *, report: Report = silent) -> None:
        """Stop the containers, dependants first; they stay, with their volumes and networks."""

    def remove(self, instance: str, *, with_volumes: bool, report: Report = silent) -> None:
        """Remove containers and networks of the instance, and its volumes if asked to."""

    def quarantine(self, owner: str, container_id: str, *, report: Report = silent) -> None:
        """Make a container harmless that belongs to no instance: stopped, cut off, kept.

        The engine will not restart it, it is stopped within 10 s and taken out of all networks. It
        stays, with its logs and its volumes, to be looked at. One that would vanish once it is
        stopped is paused. One that is gone is fine.
        Raises ``GiveUp`` for a container without that owner's label.
        """

    def remove_object(
        self, owner: str, kind: ObjectKind, name: str, *, report: Report = silent
    ) -> None:
        """Remove that one object and nothing with it; one that is gone is fine.

        A container by its full id or its name, networks and volumes by name. Raises ``GiveUp`` for
        an object without that owner's label and ``TryLater`` for one that is still in use.
        """

    def run(
        self, instance: str, service: str, command: tuple[str, ...], *, timeout: timedelta
    ) -> RunResult:
        """Run a command inside the service's running container; output is stdout and stderr."""

    def read(
        self, instance: str, service: str, command: tuple[str, ...], *, silence: timedelta
    ) -> Generator[bytes, None, None]:
        """Run a command inside the service's running container and yield its stdout as it comes.

        It begins with the first ``next``; memory stays flat. Its end without an error is the proof
        that the output is whole: after the last chunk comes ``CommandFailed``, with the last 4 KiB
        of its stderr, where the exit code is not 0, and ``TryLater`` where the connection broke
        off. A chunk may be empty, as where the command only complains. No byte for ``silence`` is
        ``TryLater`` too. Whenever it ends before the command does (``close`` it in time:
        ``contextlib.closing``), the command is killed, where that is possible.
        """

    def feed(
        self,
        instance: str,
        service: str,
        command: tuple[str, ...],
        chunks: Iterable[bytes],
        *,
        silence: timedelta,
    ) -> RunResult:
        """Run a command inside the service's running container with the chunks as its stdin.

        A chunk is taken once the command has read enough of those before; after the last its stdin
        is closed. Output (stdout and stderr) beyond 4 MiB is cut off at the front. A command may
        end before it has read everything: its exit code tells whether it was content.

        What ``chunks`` raises comes out, after the command was killed. ``TryLater`` where the
        command neither takes nor says anything for ``silence``, which must cover what it does after
        its stdin is closed, and where the connection breaks off. A worker that dies, and an engine
        that cannot kill, leave the command with an early end of its input: use formats that show
        their end.
        """

    def pause(self, instance: str, service: str) -> None:
        """Freeze the service's container. Raises ``TryLater`` where it is gone or does not run."""

    def resume(self, instance: str, service: str) -> None:
        """Let a paused container go on; one that is not paused is left as it is.

        Raises ``TryLater`` where it is gone.
        """

    def read_volume(
        self, stack: Stack, volume: str, *, silence: timedelta = VOLUME_SILENCE
    ) -> Generator[bytes, None, None]:
        """Yield an uncompressed tar of all files in the volume, whether or not containers run.

        Its first entry is the root, ``./``, the others lie below: owners, modes, modification times
        (whole seconds), symbolic and hard links and empty directories are kept, and unchanged files
        give the same bytes again. As with ``read``, only the end without an error proves that it is
        whole. Raises ``TryLater`` where a file shrank while it was read, and ``GiveUp`` where the
        volume is missing, or no image of the stack is on the server.
        """

    def write_volume(
        self,
        stack: Stack,
        volume: str,
        chunks: Iterable[bytes],
        *,
        silence: timedelta = VOLUME_SILENCE,
    ) -> None:
        """Unpack a tar as ``read_volume`` gives it into the volume, which must exist and be empty.

        Root's own owner and mode are set as well. What ``chunks`` raises comes out. Where it breaks
        off the volume is left half full: remove it and make it anew. Raises ``GiveUp`` where it is
        missing or not empty, and for what is no whole tar.
        """

    def logs(self, instance: str, service: str, *, lines: int = 200) -> str:
        """The last lines of the container's log; empty where there is no container."""

    def sample(self, instances: tuple[str, ...]) -> Mapping[str, Reading]:
        """How the containers of those instances stand and what they use, in one list call.

        By instance, each of which is there; usage is of those containers that run.
        """

    def volume_sizes(self, instances: tuple[str, ...], *, within: timedelta) -> Mapping[str, int]:
        """How many bytes the volumes of each instance hold, in the order that they are given in.

        Those that are not counted within that time are left out, and may be counted to their end
        by later calls; left out are those without a volume as well.
        """

    def events(self, owner: str, *, since: datetime | None = None) -> Iterator[Event]:
        """Follow what happens to that owner's containers, from ``since`` on, until it breaks."""
