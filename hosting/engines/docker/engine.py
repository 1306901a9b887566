"""The verbs of ``Engine`` on one Docker Engine."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Self

from hosting.engines.base import (
    LABEL_OWNER,
    Capacity,
    ContainerState,
    Event,
    GiveUp,
    ObjectKind,
    Observed,
    Report,
    RunResult,
    Stack,
    TryLater,
    Usage,
    silent,
)
from hosting.engines.docker import containers, events, fabric, images, metering, readiness, strays
from hosting.engines.docker.client import CALL_TIMEOUT_SECONDS, Client, TlsFiles, translated
from hosting.engines.docker.convergence import Plan, container_of, plan
from hosting.engines.docker.execution import execute
from hosting.engines.docker.observing import Found, find, find_instance, looked_at
from hosting.engines.docker.rollout import WORKERS, Rollout
from hosting.engines.docker.spec import needs_secrets_volume, secrets_volume
from hosting.engines.ordering import levels
from hosting.engines.refusals import refuse_unsafe

BUILT_HERE = ("berth.local/",)


class DockerEngine:
    """Runs stacks on one Docker Engine (API 1.41 or newer); safe to share by threads."""

    def __init__(self, client: Client, *, built_here: tuple[str, ...] = BUILT_HERE) -> None:
        self._client = client
        self._built_here = built_here

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
        found = find_instance(self._client, stack.instance)
        # A network that has to be made anew is apply's business: something may run in it.
        existing = set(found.observed.networks)
        wanted = plan(stack, found)
        missing = tuple(each for each in wanted.networks if each.name not in existing)
        self._create_fabric(stack, replace(wanted, networks=missing), report)

    def apply(self, stack: Stack, *, report: Report = silent) -> None:
        """Converge to the stack; see ``Engine.apply``."""
        refuse_unsafe(stack)
        self.pull(stack, report=report)
        found = self._look(stack)
        wanted = plan(stack, found)
        if self._clear(stack, found, wanted, report):
            found = self._look(stack)
            wanted = plan(stack, found)
        self._create_fabric(stack, wanted, report)
        Rollout(self._client, stack, found, wanted, report).run()
        self._remove_stale_secrets(stack, found, report)

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
        services = tuple(looked_at(self._client, service) for service in observed.services)
        return replace(observed, services=services)

    def observe_all(self, owner: str) -> Mapping[str, Observed]:
        """What exists of every instance of that owner."""
        found = find(self._client, f"{LABEL_OWNER}={owner}")
        return {instance: each.observed for instance, each in found.items()}

    def stop(self, stack: Stack, *, report: Report = silent) -> None:
        """Stop the containers, dependants first and side by side where nothing depends."""
        found = find_instance(self._client, stack.instance)
        for level in reversed(levels(stack)):
            graces = {service.name: service.stop_grace for service in level}
            chosen = [each for each in found.observed.services if each.name in graces]
            for seen in chosen:
                report(f"stopping {seen.name}")
            self._at_once(
                partial(containers.stop, self._client, seen, graces[seen.name]) for seen in chosen
            )

    def remove(self, instance: str, *, with_volumes: bool, report: Report = silent) -> None:
        """Remove what carries the instance's label; what is gone already is fine."""
        found = find_instance(self._client, instance)
        for seen in found.observed.services:
            report(f"removing {seen.name}")
        self._at_once(
            partial(containers.remove, self._client, seen) for seen in found.observed.services
        )
        for network in found.networks:
            report(f"removing the network {network.name}")
        self._at_once(
            partial(fabric.remove_network, self._client, network.id) for network in found.networks
        )
        doomed = found.observed.volumes if with_volumes else found.secret_volumes
        for volume in doomed:
            report(f"removing the volume {volume}")
        self._at_once(partial(fabric.remove_volume, self._client, volume) for volume in doomed)

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
        container = containers.find_id(self._client, instance, service)
        if container is None:
            raise GiveUp(f"the service {service} has no container on the server")
        what = f"the service {service}"
        return execute(self._client, container, command, timeout=timeout, what=what)

    def logs(self, instance: str, service: str, *, lines: int = 200) -> str:
        """The last lines of the container's log; empty where there is no container."""
        container = containers.find_id(self._client, instance, service)
        if container is None:
            return ""
        return containers.log_tail(self._client, service, container, lines)

    def usage(self, instances: tuple[str, ...]) -> Mapping[str, tuple[Usage, ...]]:
        """One reading of every running container of those instances."""
        return metering.read(self._client, instances)

    def events(self, owner: str, *, since: datetime | None = None) -> Iterator[Event]:
        """Follow what happens to that owner's containers."""
        return events.follow(self._client, owner, since=since)

    def _look(self, stack: Stack) -> Found:
        """What exists of the stack, from a look at the containers that may stay."""
        found = find_instance(self._client, stack.instance)
        fitting = {service.name: service.spec_hash() for service in stack.services}
        services = tuple(
            looked_at(self._client, each) if fitting.get(each.name) == each.spec_hash else each
            for each in found.observed.services
        )
        return replace(found, observed=replace(found.observed, services=services))

    def _clear(self, stack: Stack, found: Found, wanted: Plan, report: Report) -> bool:
        """Take away what is in the way of the plan; True where that was anything."""
        outdated = {network.name for network in wanted.outdated}
        leaving = {each.container_id for each in wanted.surplus} | {
            each.container_id
            for each in found.observed.services
            if outdated.intersection(each.networks)
        }
        graces = {service.name: service.stop_grace for service in stack.services}
        order = {
            service.name: depth for depth, level in enumerate(levels(stack)) for service in level
        }
        going = [each for each in found.observed.services if each.container_id in leaving]
        for seen in sorted(going, key=lambda each: -order.get(each.name, len(order))):
            report(f"removing {seen.name}")
            grace = graces.get(seen.name, timedelta(seconds=10))
            containers.retire(self._client, seen, grace)
        for network in wanted.outdated:
            report(f"removing the network {network.name}")
            fabric.remove_network(self._client, network.id)
        return bool(going or wanted.outdated)

    def _create_fabric(self, stack: Stack, wanted: Plan, report: Report) -> None:
        for network in wanted.networks:
            report(f"creating the network {network.name}")
        for volume in wanted.volumes:
            report(f"creating the volume {volume}")
        self._at_once(
            [
                *(
                    partial(fabric.create_network, self._client, stack, network)
                    for network in wanted.networks
                ),
                *(
                    partial(fabric.create_volume, self._client, stack, volume)
                    for volume in wanted.volumes
                ),
            ]
        )

    def _remove_stale_secrets(self, stack: Stack, found: Found, report: Report) -> None:
        needed = {
            secrets_volume(stack.project, service.name)
            for service in stack.services
            if needs_secrets_volume(service)
        }
        for volume in found.secret_volumes:
            if volume not in needed:
                report(f"removing the volume {volume}")
                fabric.remove_volume(self._client, volume)

    def _at_once(self, deeds: Iterable[Callable[[], None]]) -> None:
        """Do all of them, side by side; the first error comes out after all have ended."""
        with ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="berth") as pool:
            for future in [pool.submit(deed) for deed in deeds]:
                future.result()
