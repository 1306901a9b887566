"""The verbs of ``Engine`` on one Docker Engine."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Self

from hosting.engines.base import VOLUME_SILENCE, Report, silent
from hosting.engines.docker import (
    applying,
    containers,
    events,
    images,
    metering,
    readiness,
    strays,
    streaming,
    volumes,
)
from hosting.engines.docker.client import CALL_TIMEOUT_SECONDS, Client, TlsFiles
from hosting.engines.docker.convergence import container_of
from hosting.engines.docker.errors import translated
from hosting.engines.docker.execution import execute
from hosting.engines.docker.observing import find, find_instance, looked_at
from hosting.engines.docker.sizing import Sizing
from hosting.engines.errors import GiveUp, TryLater
from hosting.engines.labels import LABEL_OWNER
from hosting.engines.observed import (
    Capacity,
    ContainerState,
    Event,
    ObjectKind,
    Observed,
    Reading,
    RunResult,
)
from hosting.engines.refusals import VOLUME_SERVICE, refuse_unsafe
from hosting.engines.wanted import Stack

BUILT_HERE = ("berth.local/",)


class DockerEngine:
    """Runs stacks on one Docker Engine (API 1.41 or newer); safe to share by threads."""

    def __init__(self, client: Client, *, built_here: tuple[str, ...] = BUILT_HERE) -> None:
        self._client = client
        self._built_here = built_here
        self._sizing = Sizing(client)

    @classmethod
    def connect(
        cls,
        endpoint: str = "unix:///var/run/docker.sock",
        *,
        tls: TlsFiles | None = None,
        timeout_seconds: int = CALL_TIMEOUT_SECONDS,
        built_here: tuple[str, ...] = BUILT_HERE,
    ) -> Self:
        """An engine behind ``unix:///path`` or ``tcp://host:port``; nothing is contacted yet.

        Images whose names begin with one of ``built_here`` are never looked for in a registry.
        Raises ``GiveUp`` for an endpoint that Berth does not use, such as TCP without TLS.
        """
        client = Client(endpoint, tls=tls, timeout_seconds=timeout_seconds)
        return cls(client, built_here=built_here)

    def permitted(self, permit: Callable[[], None]) -> DockerEngine:
        """See ``Engine.permitted``."""
        return DockerEngine(self._client.permitted(permit), built_here=self._built_here)

    def close(self) -> None:
        """Give the connections back; the engine stays usable."""
        self._client.close()

    def capacity(self) -> Capacity:
        """What the server has; the disk only where it is this machine."""
        with translated("the server"):
            info = self._client.api.info()
        root = Path(info["DockerRootDir"])
        readable = self._client.is_local and root.is_dir()
        disk = shutil.disk_usage(root) if readable else None
        return Capacity(
            cpus=Decimal(info["NCPU"]),
            memory_bytes=info["MemTotal"],
            disk_free_bytes=disk.free if disk else None,
            version=info["ServerVersion"],
            disk_total_bytes=disk.total if disk else None,
        )

    def pull(self, stack: Stack, *, report: Report = silent) -> Mapping[str, str]:
        """Make every image present; one that is on the server already is not fetched again."""
        pins = {}
        for image in stack.images:
            pinned = images.pinned(self._client, image)
            if pinned is None:
                images.pull(self._client, image, built_here=self._built_here, report=report)
                pinned = images.pinned(self._client, image)
            if pinned is None:
                raise TryLater(f"the image {image} is gone again after it was pulled")
            pins[image] = pinned
        return pins

    def prepare(self, stack: Stack, *, report: Report = silent) -> None:
        """Create the networks and volumes that are missing."""
        refuse_unsafe(stack)
        volumes.refuse_missing(self._client, stack)
        applying.prepare(self._client, stack, report)

    def apply(self, stack: Stack, *, report: Report = silent) -> None:
        """Converge to the stack; see ``Engine.apply``."""
        refuse_unsafe(stack)
        volumes.refuse_missing(self._client, stack)
        self.pull(stack, report=report)
        applying.apply(self._client, stack, report)

    def restart(self, stack: Stack, service: str, *, report: Report = silent) -> None:
        """Stop the service's container within its grace and start the same one again."""
        wanted = stack.service(service)
        seen = container_of(wanted, find_instance(self._client, stack.instance))
        if seen is None or seen.state in (ContainerState.CREATED, ContainerState.MISSING):
            raise GiveUp(f"the service {service} has no container on the server")
        report(f"restarting {service}")
        containers.restart(self._client, seen, wanted.stop_grace)

    def is_ready(self, stack: Stack, service: str) -> bool:
        """Run the service's readiness command once, now."""
        container = containers.find_id(self._client, stack.instance, service)
        if container is None:
            return False
        wanted = stack.service(service)
        if readiness.is_ready(self._client, wanted, container):
            return True
        readiness.refuse_loop(self._client, wanted, container)
        return False

    def observe(self, instance: str) -> Observed:
        """What exists of the instance, from a look at each container."""
        observed = find_instance(self._client, instance).observed
        # A look at a container whose files are just being read would wait for their end.
        services = tuple(
            each if each.name.startswith(VOLUME_SERVICE) else looked_at(self._client, each)
            for each in observed.services
        )
        return replace(observed, services=services)

    def observe_all(self, owner: str) -> Mapping[str, Observed]:
        """What exists of every instance of that owner."""
        found = find(self._client, f"{LABEL_OWNER}={owner}")
        return {instance: each.observed for instance, each in found.items()}

    def stop(self, stack: Stack, *, report: Report = silent) -> None:
        """Stop the containers, dependants first and side by side where nothing depends."""
        applying.stop(self._client, stack, report)

    def remove(self, instance: str, *, with_volumes: bool, report: Report = silent) -> None:
        """Remove what carries the instance's label; what is gone already is fine."""
        applying.remove(self._client, instance, with_volumes=with_volumes, report=report)

    def quarantine(self, owner: str, container_id: str, *, report: Report = silent) -> None:
        """Stop a container for good and cut it off; it stays to be looked at."""
        strays.quarantine(self._client, owner, container_id, report)

    def remove_object(
        self, owner: str, kind: ObjectKind, name: str, *, report: Report = silent
    ) -> None:
        """Remove that one object and nothing with it."""
        strays.remove_object(self._client, owner, kind, name, report)

    def run(
        self, instance: str, service: str, command: tuple[str, ...], *, timeout: timedelta
    ) -> RunResult:
        """Run a command inside the service's running container; see ``execution.execute``."""
        container = self._container(instance, service)
        what = f"the service {service}"
        return execute(self._client, container, command, timeout=timeout, what=what)

    def read(
        self, instance: str, service: str, command: tuple[str, ...], *, silence: timedelta
    ) -> Generator[bytes, None, None]:
        """Run a command and yield its stdout; see ``Engine.read``."""
        container = self._container(instance, service)
        yield from streaming.read(self._client, container, service, command, silence=silence)

    def feed(
        self,
        instance: str,
        service: str,
        command: tuple[str, ...],
        chunks: Iterable[bytes],
        *,
        silence: timedelta,
    ) -> RunResult:
        """Run a command with the chunks as its stdin; see ``Engine.feed``."""
        container = self._container(instance, service)
        return streaming.feed(self._client, container, service, command, chunks, silence=silence)

    def pause(self, instance: str, service: str) -> None:
        """Freeze the service's container."""
        containers.pause(self._client, service, self._present(instance, service))

    def resume(self, instance: str, service: str) -> None:
        """Let a paused container go on."""
        containers.resume(self._client, service, self._present(instance, service))

    def read_volume(
        self, stack: Stack, volume: str, *, silence: timedelta = VOLUME_SILENCE
    ) -> Generator[bytes, None, None]:
        """Yield a tar of the volume's files; see ``Engine.read_volume``."""
        yield from volumes.read(self._client, stack, volume, silence=silence)

    def write_volume(
        self,
        stack: Stack,
        volume: str,
        chunks: Iterable[bytes],
        *,
        silence: timedelta = VOLUME_SILENCE,
    ) -> None:
        """Unpack a tar into an empty volume; see ``Engine.write_volume``."""
        volumes.write(self._client, stack, volume, chunks, silence=silence)

    def logs(self, instance: str, service: str, *, lines: int = 200) -> str:
        """The last lines of the container's log; empty where there is no container."""
        container = containers.find_id(self._client, instance, service)
        if container is None:
            return ""
        return containers.log_tail(self._client, service, container, lines)

    def sample(self, instances: tuple[str, ...]) -> Mapping[str, Reading]:
        """How their containers stand, and one reading of each that runs."""
        return metering.read(self._client, instances)

    def volume_sizes(self, instances: tuple[str, ...], *, within: timedelta) -> Mapping[str, int]:
        """How many bytes the volumes of each instance hold."""
        return self._sizing.read(instances, within)

    def events(self, owner: str, *, since: datetime | None = None) -> Iterator[Event]:
        """Follow what happens to that owner's containers."""
        return events.follow(self._client, owner, since=since)

    def _container(self, instance: str, service: str) -> str:
        """The id of the service's container. Raises ``GiveUp`` where there is none."""
        container = containers.find_id(self._client, instance, service)
        if container is None:
            raise GiveUp(f"the service {service} has no container on the server")
        return container

    def _present(self, instance: str, service: str) -> str:
        """The same for what may be back in a moment. Raises ``TryLater``."""
        container = containers.find_id(self._client, instance, service)
        if container is None:
            raise TryLater(f"the service {service} has no container on the server just now")
        return container
