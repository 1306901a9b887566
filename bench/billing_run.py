"""A billing run: subscriptions with eight lines each, drafted and issued, by two processes.

What is timed is all that ``manage.py bill`` does with what is due: reading spans, prices and usage,
drafting, rating anew, VAT, numbers, the audit log, and how each invoice stands; with what keeps
invoices from being changed switched on. Documents are measured apart (``bench/documents.py``).

Beside it a peer's published figure for its own billing: about 2,500 invoices a minute.

    make bench ARGS="--subscriptions 10000"     (of this file alone: python bench/billing_run.py)
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

BASE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(BASE))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hosting.config.settings")

import django  # noqa: E402

django.setup()

import psycopg  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from bench.lists.stacks import guestbook_app  # noqa: E402
from billing.models import BillingProfile, Invoice, InvoiceLine  # noqa: E402
from billing.services import prices, profiles, subscriptions  # noqa: E402
from billing.services.invoicing import runs  # noqa: E402
from hosting.models import Instance, Plan, Server, UsageSum  # noqa: E402
from tenants.models import Client  # noqa: E402
from tenants.services.actors import Actor  # noqa: E402

GOAL, PUBLISHED = 25_000, 2_500
PROCESSES, LINES = 2, 8
NOW = datetime(2026, 2, 1, 1, tzinfo=UTC)
ACTOR = Actor.system("benchmark")
METERS = (
    *("executions", "execution_seconds"),
    *("llm_requests", "llm_input", "llm_output", "llm_cached"),
)


def main() -> None:
    """Make what is to be billed in a database of its own, bill it, and say how fast that was."""
    options = _options()
    with _database():
        _make(options.subscriptions, options.days)
        subscriptions.follow(now=NOW)
        _analyze()  # as autovacuum does, which scratch databases are without
        took = _bill()
        _check(options.subscriptions)
    _tell(options.subscriptions, took)


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds: from begin to end, and of CPU, in Berth's processes and in their PostgreSQL's."""

    wall: float
    ours: float
    databases: float


def _tell(many: int, took: Took) -> None:
    cpu = took.ours + took.databases
    print(
        f"{many:,} invoices of {LINES} lines in {took.wall:.1f} s by {PROCESSES} processes:"
        f" {many / took.wall * 60:,.0f} a minute"
        f" (goal {GOAL:,}; published by a peer: about {PUBLISHED:,})\n"
        f"CPU for a thousand: {1000 * cpu / many:.2f} s, {1000 * took.ours / many:.2f} of it"
        f" Berth's and {1000 * took.databases / many:.2f} PostgreSQL's; two cores that do nothing"
        f" else could make {PROCESSES * 60 * many / cpu:,.0f} a minute"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--subscriptions", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=31, help="with usage")
    known, _ = parser.parse_known_args()
    return known


@contextmanager
def _database() -> Iterator[None]:
    """One of the benchmark's own, made anew and removed again."""
    values = connection.settings_dict
    address = urlsplit(os.environ["DATABASE_URL"])
    name = f"bench_{uuid.uuid4().hex[:8]}"
    admin = urlunsplit(address)
    with psycopg.connect(admin, autocommit=True) as plain:
        plain.execute(f"CREATE DATABASE {name}".encode())
    connection.close()
    values["NAME"] = name
    try:
        call_command("migrate", verbosity=0)
        yield
    finally:
        connection.close()
        with psycopg.connect(admin, autocommit=True) as plain:
            plain.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _make(many: int, days: int) -> None:
    """A client for each subscription: a plan, a graduated meter with two tiers, five plain ones."""
    plan = Plan.objects.create(slug="small", name="Small", cpus=1, memory_mb=512, disk_gb=5)
    server = Server.objects.create(name="none", cpus=1, memory_mb=1024, disk_gb=10)
    address = {"street": "Lane 1", "postcode": "10115", "city": "Berlin", "country": "DE"}
    seller: Any = {
        **address,
        "name": "Berth",
        "iban": "DE02120300000000202051",
        "bills_from": date(2026, 1, 1),
        "grace_hours": 0,
    }
    profiles.set_seller(actor=ACTOR, fields=seller)
    _price(plan)
    clients = [Client(name=f"Client {n}", slug=f"client-{n}") for n in range(many)]
    Client.objects.bulk_create(clients, batch_size=2000)
    BillingProfile.objects.bulk_create(
        [BillingProfile(client=each, name=each.name, **address) for each in clients],
        batch_size=2000,
    )
    _instances(clients, plan, server, days)


def _price(plan: Plan) -> None:
    tiers = [[500, "0.20"], [None, "0.10"]]
    charges = [{"meter": METERS[0], "model": "graduated", "included": 100, "tiers": tiers}]
    charges += [{"meter": each, "per": 1000, "tiers": [[None, "1.5"]]} for each in METERS[1:]]
    price: Any = {
        "plan": plan,
        "currency": "EUR",
        "interval": "month",
        "valid_from": date(2026, 1, 1),
        "amount": Decimal("29.00"),
        "setup_fee": Decimal(0),
        "trial_days": 0,
        "charges": charges,
    }
    prices.create(actor=ACTOR, fields=price, now=datetime(2025, 12, 1, tzinfo=UTC))


def _instances(clients: Sequence[Client], plan: Plan, server: Server, days: int) -> None:
    """Each ran all of January, and used something of each meter on so many days of it."""
    app = guestbook_app()
    definition: dict[str, Any] = {"berth": {"meters": {}}}
    instances = [
        Instance(
            client=each,
            name="book",
            app=app.slug,
            version="1",
            definition=definition,
            plan=plan,
            server=server,
            state="running",
            first_running_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        for each in clients
    ]
    Instance.objects.bulk_create(instances, batch_size=2000)
    with connection.cursor() as cursor:
        moment = datetime(2026, 1, 31, 23, tzinfo=UTC)
        cursor.execute(_USAGE, [list(METERS), moment, date(2026, 1, days)])


def _analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


_USAGE = f"""
INSERT INTO {UsageSum._meta.db_table}
    (instance_id, span, "on", meter, label, total, count, maximum, latest_at, computed_at)
SELECT id, 'day', day::date, meter, '', 1147, 5, 10, day, moment
FROM hosting_instance, unnest(%s::text[]) AS meter, (SELECT %s::timestamptz) AS told (moment),
    generate_series('2026-01-01'::timestamptz, %s, '1 day') AS day
"""


def _bill() -> Took:
    """What it took until all of it was billed, by processes that share it."""
    connection.close()
    told: multiprocessing.Queue[tuple[float, float]] = multiprocessing.Queue()
    processes = [multiprocessing.Process(target=_run, args=(told,)) for _ in range(PROCESSES)]
    begin = time.perf_counter()
    for each in processes:
        each.start()
    for each in processes:
        each.join()
    wall = time.perf_counter() - begin
    if any(each.exitcode for each in processes):
        raise SystemExit("A run failed.")
    cpu = [told.get() for _ in processes]
    return Took(wall, sum(ours for ours, _ in cpu), sum(databases for _, databases in cpu))


def _run(told: multiprocessing.Queue[tuple[float, float]]) -> None:
    began = time.process_time()
    runs.bill_due(now=NOW + timedelta(seconds=1))
    told.put((time.process_time() - began, _cpu_of_the_database()))


def _cpu_of_the_database() -> float:
    """Of the process of PostgreSQL that this one talks to, on the same machine."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _check(many: int) -> None:
    """All of it is issued, with its lines, and the numbers have no gap."""
    issued = Invoice.objects.filter(state="issued")
    numbers = list(issued.order_by("sequence").values_list("sequence", flat=True))
    if numbers != list(range(1, many + 1)):
        raise SystemExit(f"{len(numbers)} of {many} invoices were issued, or numbers are missing.")
    if InvoiceLine.objects.count() != LINES * many:
        raise SystemExit("Lines are missing.")


if __name__ == "__main__":
    main()
