"""A fleet that never ran, to measure pages with: clients, instances and their past.

Its servers are cordoned and their engines hold nothing: no worker may run beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from hosting.models import Hostname, Instance, Plan, Server, Subnet
from hosting.selectors import catalog
from hosting.services import generated_fleet_sql as sql
from hosting.services import partitions
from tenants.crypto import create_data_key
from tenants.errors import Refused
from tenants.models import Client, Member, Role, User

APP = "n8n"
PER_SERVER = 100
NIGHTS = 14
NAMES = "generated"


@dataclass(frozen=True, slots=True)
class Size:
    """How much: ``days`` of rollups by day, and ``quarters`` days of those by quarter of an hour.

    A year of quarters of 5,000 instances is 175 million rows; days are kept for years, too.
    """

    clients: int = 1000
    instances: int = 5  # of each
    days: int = 365
    quarters: int = 2


def refuse_real(*, is_told: bool) -> None:
    """Refused where there are instances already, unless somebody says that these may be mixed."""
    if Instance.objects.exists() and not is_told:
        raise Refused(
            "There are instances in this database. Made-up ones among them could never be told"
            " apart: use an empty database, or say --among-real."
        )


def generate(*, size: Size, now: datetime, say: Callable[[str], None]) -> None:
    """Make all of it. ``say`` is told what is made at the moment."""
    say(f"{size.clients} clients with {size.instances} instances each")
    _make_instances(size, now)
    _make_partitions(size, now)
    values = _values(size, now)
    for what, statement in sql.STATEMENTS.items():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, values)
            say(f"{cursor.rowcount} {what}")
    with connection.cursor() as cursor:
        for table in sql.FILLED:
            cursor.execute(f"ANALYZE {table}")


@transaction.atomic
def _make_instances(size: Size, now: datetime) -> None:
    plan, _ = Plan.objects.get_or_create(
        slug=NAMES,
        defaults={"name": "Generated", "cpus": Decimal(1), "memory_mb": 1024, "disk_gb": 10},
    )
    clients = Client.objects.bulk_create(
        Client(name=f"Client {n:04}", slug=f"client-{n:04}") for n in range(size.clients)
    )
    for client in clients:
        create_data_key(client=client)
    users = User.objects.bulk_create(
        User(email=f"owner-{n:04}@generated.example", name=f"Owner {n:04}")
        for n in range(size.clients)
    )
    Member.objects.bulk_create(
        Member(client=client, user=user, role=Role.OWNER)
        for client, user in zip(clients, users, strict=True)
    )
    number = size.clients * size.instances
    servers = Server.objects.bulk_create(_servers(number, now))
    instances = Instance.objects.bulk_create(
        list(_instances(clients, servers, plan, size, now)), batch_size=500
    )
    Hostname.objects.bulk_create(
        [
            Hostname(name=f"{each.name}.{each.client.slug}.generated.example", instance=each)
            for each in instances
        ],
        batch_size=1000,
    )
    Subnet.objects.bulk_create(
        [
            Subnet(server=each.server, index=n % PER_SERVER, instance=each)
            for n, each in enumerate(instances)
        ],
        batch_size=1000,
    )


def _servers(instances: int, now: datetime) -> Iterator[Server]:
    for n in range(-(-instances // PER_SERVER)):
        yield Server(
            name=f"{NAMES}-{n:03}",
            engine=Server.EngineKind.MEMORY,
            endpoint=f"memory:{NAMES}-{n:03}",
            availability=Server.Availability.CORDONED,
            cpus=Decimal(128),
            memory_mb=PER_SERVER * 1280,
            disk_gb=PER_SERVER * 12,
            last_answered_at=now,
            reconciled_at=now,
            sampled_at=now,
        )


def _instances(
    clients: list[Client], servers: list[Server], plan: Plan, size: Size, now: datetime
) -> Iterator[Instance]:
    app = catalog.apps()[APP]
    definition = app.model_dump(mode="json")
    for n in range(size.clients * size.instances):
        yield Instance(
            client=clients[n // size.instances],
            name=f"flows-{n % size.instances}",
            app=APP,
            version=app.versions[0],
            definition=definition,
            plan=plan,
            server=servers[n // PER_SERVER],
            state=Instance.State.STOPPED if n % 50 == 0 else Instance.State.RUNNING,
            first_running_at=now - timedelta(days=size.days),
        )


def _make_partitions(size: Size, now: datetime) -> None:
    """Those of the past: rows in the default one would have to be moved."""
    wanted = {"hosting_resourcequarter": size.quarters, "hosting_healthslot": size.quarters}
    for table in partitions.TABLES:
        if table.table in wanted:
            since = now - timedelta(days=wanted[table.table])
            partitions.ensure_since(table=table, since=since, now=now)


def _values(size: Size, now: datetime) -> dict[str, Any]:
    quarter = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    midnight = now.astimezone(UTC).replace(hour=2, minute=0, second=0, microsecond=0)
    return {
        "now": now,
        "today": now.astimezone(UTC).date(),
        "first": (now - timedelta(days=size.days)).astimezone(UTC).date(),
        "first_quarter": quarter - timedelta(days=size.quarters),
        "last_quarter": quarter - timedelta(minutes=15),
        "first_night": midnight - timedelta(days=NIGHTS - 1),
    }
