"""Small stacks to try engines with."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hosting.engines.wanted import Attachment, Limits, Network, Readiness, Service, Stack, Volume

IMAGE = "berth.local/guestbook:1"  # has a shell and Python
OTHER_IMAGE = "berth.local/guestbook:2"
ABSENT_IMAGE = "berth.local/never-built:1"
LIMITS = Limits(cpus=Decimal("0.5"), memory_bytes=64 * 1024 * 1024, pids=50)


def program(name: str) -> tuple[str, ...]:
    """A service that says its name, is ready a moment later, and then waits."""
    return ("sh", "-c", f"echo {name} started; sleep 0.2; touch /tmp/ready; exec sleep 3600")


READY = Readiness(
    command=("test", "-e", "/tmp/ready"),
    interval=timedelta(seconds=10),
    timeout=timedelta(seconds=3),
    retries=1,
    start_period=timedelta(seconds=10),
)
READY_SOON = replace(  # as often as Docker itself is to look at it
    READY, interval=timedelta(seconds=0.5), start_period=timedelta(seconds=1)
)


@dataclass
class Subnets:
    """Subnets of 14 addresses out of the range that is set apart for these tests."""

    at: int = field(default_factory=lambda: random.randrange(4000))

    def take(self) -> str:
        self.at = (self.at + 1) % 4096
        return f"10.222.{self.at // 16}.{self.at % 16 * 16}/28"


@dataclass
class Stacks:
    """Makes stacks with names and subnets of their own."""

    owner: str
    subnets: Subnets

    def make(self, *services: Service, internal: bool = True, volume: bool = True) -> Stack:
        """A stack of these services on one network called ``<project>-net``."""
        instance = f"i-{uuid.uuid4().hex[:10]}"
        network = f"{instance}-net"
        return Stack(
            instance=instance,
            project=instance,
            owner=self.owner,
            services=tuple(_attached(service, network) for service in services),
            networks=(Network(network, self.subnets.take(), internal),),
            volumes=(Volume(f"{instance}-data"),) if volume else (),
        )

    def pair(self) -> Stack:
        """A database that is ready a moment after it started, and a web service that needs it."""
        return self.make(
            service("db", readiness=READY),
            service("web", depends_on=("db",)),
        )


def service(name: str, **different: Any) -> Service:
    """A small service; ``different`` overrides any of its fields."""
    fields: dict[str, Any] = {
        "image": IMAGE,
        "limits": LIMITS,
        "networks": (),
        "command": program(name),
        "stop_grace": timedelta(seconds=2),
    }
    return Service(name=name, **(fields | different))


def _attached(service: Service, network: str) -> Service:
    return service if service.networks else replace(service, networks=(Attachment(network),))
