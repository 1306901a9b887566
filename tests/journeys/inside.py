"""Looking at an instance from inside its containers, and at its containers from outside."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from hosting.engines.base import Engine
from hosting.engines.labels import LABEL_INSTANCE, LABEL_SERVICE
from hosting.flows.engines import engine_for
from hosting.models import Instance

AT_ONCE = 24  # each attempt takes three processes, of which a service may have only so many
STRANGERS = "10.231.200.0/28"  # apart from every instance's network
# Says which of the addresses take a TCP connection; only bash is there in every image.
CONNECT = """
for target in "$@"; do (
    timeout 2 bash -c "exec 3<>/dev/tcp/${target%:*}/${target##*:}" 2>/dev/null && echo "$target"
) & done; wait
"""


@dataclass(frozen=True)
class Memory:
    """In bytes."""

    used: int
    limit: int


@dataclass(frozen=True)
class Inside:
    """An instance whose containers do what they are told."""

    instance: Instance

    @cached_property
    def engine(self) -> Engine:
        return engine_for(self.instance.server)

    def run(self, service: str, *command: str, seconds: float = 30) -> str:
        """The output of a command that has to succeed."""
        result = self.engine.run(
            str(self.instance.pk), service, command, timeout=timedelta(seconds=seconds)
        )
        assert result.exit_code == 0, f"{service}: {result.output}"
        return result.output

    def reached(self, service: str, targets: Iterable[str], *, own: str) -> set[str]:
        """Those of the targets (``host:port``) that a connection from the service reaches.

        ``own`` is one that must be reached, asked for every time: else silence proves nothing.
        """
        wanted, found = sorted(set(targets)), set()
        for start in range(0, len(wanted), AT_ONCE):
            batch = (*wanted[start : start + AT_ONCE], own)
            said = self.engine.run(
                str(self.instance.pk),
                service,
                ("bash", "-c", CONNECT, "connect", *batch),
                timeout=timedelta(seconds=60),
            )
            open_now = set(said.output.split())
            assert open_now <= {*batch}, f"{service} could not try everything: {said.output}"
            assert own in open_now, f"{service} does not even reach {own}"
            found |= open_now
        return found - {own}

    def reached_from_each(self, targets: Iterable[str], *, own: str) -> Mapping[str, set[str]]:
        """The same from every service, side by side."""
        targets = list(targets)
        # Asks the engine first here: no thread shall open a connection to Berth's database for it.
        seen = self.engine.observe(str(self.instance.pk)).services
        services = [each.name for each in seen]
        with ThreadPoolExecutor(len(services)) as pool:
            found = pool.map(lambda each: self.reached(each, targets, own=own), services)
            return dict(zip(services, found, strict=True))

    def memory(self, service: str) -> Memory:
        """What the service's processes hold now, and may hold."""
        [usage] = [
            each
            for each in self.engine.sample((str(self.instance.pk),))[str(self.instance.pk)].usages
            if each.service == service
        ]
        limit = self.containers()[service]["HostConfig"]["Memory"]
        return Memory(used=usage.memory_bytes, limit=limit)

    def containers(self) -> dict[str, Any]:
        """What ``docker inspect`` shows of each, by service."""
        ids = docker("ps", "-aq", "--filter", f"label={LABEL_INSTANCE}={self.instance.pk}").split()
        shown = json.loads(docker("inspect", *ids)) if ids else []
        return {each["Config"]["Labels"][LABEL_SERVICE]: each for each in shown}

    def ends(self) -> dict[str, list[dict[str, Any]]]:
        """Each service's places in networks."""
        return {
            name: list(shown["NetworkSettings"]["Networks"].values())
            for name, shown in self.containers().items()
        }


def docker(*arguments: str) -> str:
    """Docker's own client, which knows nothing of Berth."""
    done = subprocess.run(
        ["docker", *arguments], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout


def reached_by_a_stranger(image: str, targets: Sequence[str]) -> set[str]:
    """What a container on a network that is not Berth's reaches: no rule of Berth's is about it."""
    network = f"stranger-{uuid.uuid4().hex[:8]}"
    docker("network", "create", "--subnet", STRANGERS, network)
    try:
        command = ("--network", network, image, "bash", "-c", CONNECT, "connect", *targets)
        return set(docker("run", "--rm", "--init", *command).split())
    finally:
        docker("network", "rm", network)
