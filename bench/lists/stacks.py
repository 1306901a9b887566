"""The stacks of the benchmark: the guestbook (three services, two networks, three volumes)."""

from __future__ import annotations

import uuid
from decimal import Decimal
from ipaddress import IPv4Network
from pathlib import Path

from hosting.catalog.builder import StackContext, build_stack
from hosting.catalog.credentials import generate, generated_secrets
from hosting.catalog.loader import load_catalog
from hosting.catalog.schema import App
from hosting.engines.wanted import Attachment, Limits, Mount, Network, Service, Stack, Volume
from hosting.models.server import SUBNET_PREFIX

CATALOG = Path(__file__).resolve().parents[2] / "tests" / "catalog"
SUPERNET = IPv4Network("10.208.0.0/12")
SLEEP = ("sleep", "1000000")


def guestbook_app() -> App:
    """The catalog entry."""
    return load_catalog([CATALOG])["guestbook"]


def guestbook(app: App, *, pk: uuid.UUID, number: int, owner: str) -> Stack:
    """The stack of the ``number``-th instance, as Berth builds it."""
    secrets = {name: generate(spec) for name, spec in generated_secrets(app).items()}
    context = StackContext(
        instance=str(pk),
        project=project(pk, owner),
        owner=owner,
        cpus=Decimal(1),
        memory_bytes=512 * 1024**2,
        pids=256,
        subnet=_subnet(number),
        hostname="book.bench.localhost",
        public_url="http://book.bench.localhost:8080",
        secrets=secrets,
        image_prefix="berth.local",
    )
    return build_stack(app, version=app.newest_version, context=context)


def sleepers(*, pk: uuid.UUID, number: int, owner: str) -> Stack:
    """The same shape, of containers that only sleep."""
    name = project(pk, owner)
    front, back = IPv4Network(_subnet(number)).subnets(new_prefix=SUBNET_PREFIX + 1)
    networks = (
        Network(f"{name}-front", str(front), internal=False),
        Network(f"{name}-back", str(back), internal=True),
    )
    volumes = tuple(Volume(f"{name}-{each}") for each in ("data", "postgres", "redis"))
    services = tuple(
        Service(
            name=each,
            image="berth.local/redis:7",
            limits=Limits(Decimal("0.1"), 32 * 1024**2, 16),
            networks=tuple(Attachment(network.name) for network in wanted),
            command=SLEEP,
            mounts=(Mount(volume.name, "/data"),),
        )
        for each, wanted, volume in zip(
            ("web", "db", "redis"), (networks, networks[1:], networks[1:]), volumes, strict=True
        )
    )
    return Stack(str(pk), name, owner, services, networks, volumes)


def project(pk: uuid.UUID, owner: str) -> str:
    """The prefix of all names, as long as in earnest."""
    return f"{owner}-bench-book-{pk.hex[:8]}"


def _subnet(number: int) -> str:
    base = SUPERNET.network_address + number * 2 ** (32 - SUBNET_PREFIX)
    return f"{base}/{SUBNET_PREFIX}"
