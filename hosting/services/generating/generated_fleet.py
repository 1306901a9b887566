"""A fleet that never ran, to measure pages with: clients, instances and their past.

Its servers are cordoned and their engines hold nothing: no worker may run beside it.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from hosting import hooks
from hosting.models import Hostname, Instance, Plan, Server, Subnet
from hosting.selectors import catalog
from hosting.services.generating import generated_audit, generated_messages
from hosting.services.generating import generated_fleet_sql as sql
from hosting.services.generating import generated_moves_sql as moves
from hosting.services.generating import generated_past_sql as past
from hosting.services.measuring import partitions
from tenants.crypto import create_data_key
from tenants.errors import Refused
from tenants.models import Client, Member, Role, User

APP = "n8n"
PER_SERVER = 100
NIGHTS = 14
NAMES = "generated"
QUARTER = timedelta(minutes=15)
DAY = timedelta(days=1)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How much: ``days`` of rollups by day, ``quarters`` days of those by quarter of an hour, and
    ``hours`` of single readings. The first client has the ``largest`` number of the instances, as
    long as each of the others keeps one.

    A year of quarters of 5,000 instances is 175 million rows; days are kept for years, too.
    """

    clients: int = 1000
    instances: int = 5  # of each, on average
    largest: int = 100
    days: int = 365
    quarters: int = 31
    hours: int = 1

    def owners(self) -> Iterator[int]:
        """The place of each instance's client."""
        every, others = self.clients * self.instances, self.clients - 1
        mine = min(max(self.largest, self.instances), every - others)
        yield from itertools.repeat(0, mine if others else every)
        left = every - mine
        yield from (1 + n * others // left for n in range(left if others else 0))


def refuse_real(*, is_told: bool) -> None:
    """Refused where there are instances already, unless somebody says that these may be mixed."""
    if Instance.objects.exists() and not is_told:
        raise Refused(
            "There are instances in this database. Made-up ones among them could never be told"
            " apart: use an empty database, or say --among-real."
        )


def generate(*, size: Size, now: datetime, say: Say) -> None:
    """Make all of it. ``say`` is told what is made at the moment."""
    say(f"{size.clients} clients with {size.clients * size.instances} instances")
    _make_instances(size, now)
    _make_partitions(size, now)
    for what, statement in (past.STATEMENTS | moves.STATEMENTS).items():
        say(f"{_execute(statement, _past(size, now))} {what}")
    generated_messages.write(since=now - size.days * DAY, say=say)
    for stretch in _stretches(size, now):
        _fill(stretch, now, say)
    say(f"{_execute(sql.MONTHS, {'now': now})} months of usage")
    generated_audit.write(say=say)
    since = (now - size.days * DAY).date()
    for make in hooks.fleet_makers():
        make(plan=Plan.objects.get(slug=NAMES), since=since, now=now, say=say)
    for listener in hooks.usage_listeners():
        listener(now=now)
    _analyze()


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time that statements make rows of, one every ``step``, for so long at once."""

    statements: Mapping[str, str]
    since: datetime
    until: datetime
    step: timedelta
    at_once: timedelta


def _stretches(size: Size, now: datetime) -> Iterable[Stretch]:
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    quarter = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    yield Stretch(sql.DAYS, midnight - size.days * DAY, midnight + DAY, DAY, 30 * DAY)
    yield Stretch(sql.QUARTERS, quarter - size.quarters * DAY, quarter, QUARTER, DAY)
    yield Stretch(sql.LAST_QUARTERS, quarter - DAY, quarter, QUARTER, DAY)
    hours = timedelta(hours=size.hours)
    yield Stretch(sql.READINGS, now - hours, now, settings.BERTH_SAMPLE_EVERY, QUARTER)
    yield Stretch(sql.NOW, now, now + DAY, DAY, DAY)


def _fill(stretch: Stretch, now: datetime, say: Say) -> None:
    """In pieces, each a transaction: what has to be sorted fits into memory."""
    values = {"now": now, "begin": stretch.since, "step": stretch.step}
    for what, statement in stretch.statements.items():
        rows, since = 0, stretch.since
        while since < stretch.until:
            until = min(since + stretch.at_once, stretch.until)
            rows += _execute(statement, {**values, "since": since, "until": until})
            since = until
        say(f"{rows} {what}")


def _execute(statement: str, values: Mapping[str, Any]) -> int:
    """How many rows it made."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def _analyze() -> None:
    """As autovacuum would, where that is possible: it is not inside of a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE" if connection.in_atomic_block else "VACUUM (ANALYZE)")


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
    ordered_at = F("first_running_at") - timedelta(minutes=1)
    Instance.objects.filter(server__in=servers).update(created_at=ordered_at)
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
    has = Counter[int]()
    for n, owner in enumerate(size.owners()):
        has[owner] += 1
        yield Instance(
            client=clients[owner],
            name=f"flows-{has[owner] - 1}",
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
    quarters, hours = timedelta(days=size.quarters), timedelta(hours=size.hours)
    wanted = {
        "hosting_resourcequarter": quarters,
        "hosting_healthslot": quarters,
        "hosting_sample": hours,
        "hosting_probe": hours,
    }
    for table in partitions.TABLES:
        if table.table in wanted:
            partitions.ensure_since(table=table, since=now - wanted[table.table], now=now)


def _past(size: Size, now: datetime) -> Mapping[str, datetime]:
    night = now.astimezone(UTC).replace(hour=2, minute=0, second=0, microsecond=0)
    return {
        "now": now,
        "first": now - timedelta(days=size.days),
        "first_night": night - timedelta(days=NIGHTS - 1),
    }
