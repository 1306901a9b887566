"""One round of sampling beside ``docker stats --no-stream``, and what a year of it takes to keep.

Real containers that sleep, one an instance, so many at a time: read by the adapter from the
kernel's files, by the adapter through the Engine API (as for a server elsewhere), and by Docker's
command line, in turn. "CPU" is of this process, its children and its process of PostgreSQL; the
engine's own is beside it. Then generated rows: a month of quarters and a quarter of an hour of
readings of so many instances, in the order in which they would come, with their size on disk; what
a round of so many instances costs to write and to roll up; and how long charts take.

    make bench ARGS="--containers 10 100 500 --instances 1000"   (this alone: python bench/...)
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

BASE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(BASE))
OWNER = f"bench-{uuid.uuid4().hex[:6]}"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hosting.config.settings")
os.environ["BERTH_OWNER"] = OWNER
os.environ["BERTH_FIREWALL"] = "false"  # no operation runs here, and it is not what is measured

import django  # noqa: E402

django.setup()

from django.db import connection  # noqa: E402

from bench.lists.stacks import SLEEP, guestbook_app  # noqa: E402
from hosting.engines.docker import DockerEngine, metering  # noqa: E402
from hosting.engines.docker.client import Client  # noqa: E402
from hosting.engines.labels import LABEL_INSTANCE, LABEL_OWNER, LABEL_SERVICE  # noqa: E402
from hosting.engines.observed import Usage  # noqa: E402
from hosting.models import Instance, Plan, Server  # noqa: E402
from hosting.selectors.measuring import resources  # noqa: E402
from hosting.selectors.measuring.resources import Measure  # noqa: E402
from hosting.services.measuring import partitions, rollups, samples  # noqa: E402
from tenants.models import Client as Tenant  # noqa: E402
from tenants.services import clients  # noqa: E402
from tenants.services.actors import Actor  # noqa: E402

DOCKER = "unix:///var/run/docker.sock"
ENGINE_PID = Path("/var/run/docker.pid")
IMAGE = "berth.local/redis:7"
SERVICES = ("web", "db", "redis")
MONTH = datetime(2026, 10, 1, tzinfo=UTC)
DAYS = 30
MB = 1e6


def main() -> None:
    """Measure, print, clean up."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--containers", type=int, nargs="+", default=[10, 100, 500])
    parser.add_argument("--instances", type=int, default=1000, help="with generated rows")
    parser.add_argument("--rounds", type=int, default=5)
    options, _ = parser.parse_known_args()  # make bench passes everybody's options on
    logging.getLogger("hosting").setLevel(logging.ERROR)
    with _database():
        _real_containers(options.containers, options.rounds)
        _generated(options.instances, options.rounds)


@dataclass(frozen=True, slots=True)
class Cost:
    """What something took, in seconds."""

    wall: float
    cpu: float
    engine: float


# --- Real containers -------------------------------------------------------------------------


def _real_containers(sizes: Sequence[int], rounds: int) -> None:
    engine = DockerEngine.connect(DOCKER)
    client = Client(DOCKER, tls=None, timeout_seconds=60)
    server, made = _server("bench"), list[str]()
    try:
        for size in sorted(sizes):
            pks = _instances(server, size - len(made))
            with ThreadPoolExecutor(4) as pool:
                made += pool.map(lambda pk: _sleeper(client, pk), pks)
            _compare(engine, client, server, made, rounds)
    finally:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda each: client.api.remove_container(each, force=True), made))
        client.close()


def _sleeper(client: Client, pk: uuid.UUID) -> str:
    labels = {LABEL_OWNER: OWNER, LABEL_INSTANCE: str(pk), LABEL_SERVICE: "web"}
    host = client.api.create_host_config(
        network_mode="none", mem_limit="32m", nano_cpus=100_000_000, pids_limit=16
    )
    made = client.api.create_container(IMAGE, list(SLEEP), labels=labels, host_config=host)
    client.api.start(made["Id"])
    return str(made["Id"])


def _compare(
    engine: DockerEngine, client: Client, server: Server, made: Sequence[str], rounds: int
) -> None:
    wanted = samples.to_read(server=server)

    def whole_round() -> None:
        readings = engine.sample(samples.to_read(server=server))
        usages = {instance: each.usages for instance, each in readings.items()}
        written = samples.record(server=server, usages=usages, now=datetime.now(UTC))
        if written != len(made):
            raise SystemExit(f"{written} of {len(made)} containers were read.")

    def through_the_engine() -> None:
        if None in metering.through_engine(client, made):
            raise SystemExit("Not all containers were read through the engine.")

    peers = {
        "Berth, a whole round with its rows": whole_round,
        "  of that the reading": lambda: engine.sample(wanted),
        "Berth, through the Engine API": through_the_engine,
        "docker stats --no-stream": lambda: _docker_stats(made),
    }
    costs: dict[str, list[Cost]] = {name: [] for name in peers}
    for _ in range(rounds):  # in turn, so that all meet the same neighbours
        for name, work in peers.items():
            costs[name].append(_cost(work))
    print(f"\n{len(made)} containers, median of {rounds} {_load()}")
    theirs = _middle(costs["docker stats --no-stream"])
    for name, each in costs.items():
        cost = _middle(each)
        print(
            f"  {name:<36} {1000 * cost.wall:8.1f} ms, {1000 * cost.cpu:7.1f} ms of CPU,"
            f" engine {1000 * cost.engine:7.1f} ms, ratio {cost.wall / theirs.wall:.3f}"
        )


def _docker_stats(containers: Sequence[str]) -> None:
    """The peer: one reading of the same containers by Docker's own client."""
    command = ["docker", "stats", "--no-stream", "--no-trunc", "--format", "{{json .}}"]
    done = subprocess.run([*command, *containers], check=True, capture_output=True)
    if len(done.stdout.splitlines()) != len(containers):
        raise SystemExit("docker stats did not read every container.")


# --- Generated rows --------------------------------------------------------------------------


def _generated(count: int, rounds: int) -> None:
    server = _server("generated")
    pks = _instances(server, count)
    for table in partitions.TABLES:
        partitions.ensure(table=table, now=MONTH + timedelta(days=1))
    _quarters_of_a_month(pks)
    rows = count * DAYS * 96
    size = _size("hosting_resourcequarter")
    print(f"\n{rows:,} quarters ({count} instances, {DAYS} days): {size / MB:,.0f} MB on disk,")
    print(
        f"  {size / rows:.0f} bytes each with its index;"
        f" a year: {size * 365 / DAYS / 1e9:.2f} GB, of 1,000 instances"
        f" {size * 365 / DAYS / 1e9 * 1000 / count:.2f} GB"
    )
    _a_round_of_many(server, pks, rounds)
    _charts(pks, rounds)


def _quarters_of_a_month(pks: Sequence[uuid.UUID]) -> None:
    """In the order in which they are rolled up: quarter by quarter, of all instances."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO hosting_resourcequarter (instance_id, at, seconds, cpu_seconds, cpu_max,
                cpu_periods, throttled_periods, throttled_seconds, memory_bytes, memory_max_bytes,
                memory_fullest, network_received_bytes, network_sent_bytes, disk_read_bytes,
                disk_written_bytes, volume_bytes)
            SELECT instance, at, 900, random() * 900, random(), 9000 * random(), 100 * random(),
                random(), 4e8 * random(), 5e8 * random(), random(), 1e8 * random(),
                1e8 * random(), 1e8 * random(), 1e8 * random(), 5e9 * random()
            FROM generate_series(%(since)s, %(until)s - '15 min'::interval, '15 min') AS at,
                unnest(%(pks)s::uuid[]) AS instance
            ORDER BY at
            """,
            {"since": MONTH, "until": MONTH + timedelta(days=DAYS), "pks": list(pks)},
        )
        cursor.execute("VACUUM ANALYZE hosting_resourcequarter")


def _a_round_of_many(server: Server, pks: Sequence[uuid.UUID], rounds: int) -> None:
    """A quarter of an hour of readings: writing one round, and rolling the quarter up."""
    since = MONTH + timedelta(hours=1)
    written = []
    for number in range(61):
        at = since + timedelta(seconds=15 * number)
        usages = {str(pk): tuple(_usage(name, at, number) for name in SERVICES) for pk in pks}
        written.append(_cost(partial(samples.record, server=server, usages=usages, now=at)))
    containers = len(pks) * len(SERVICES)
    rows = containers * len(written)
    size = _size("hosting_sample")
    kept = size / rows * containers * 4 * 60 * 24
    rolled = [_rolled(since) for _ in range(rounds)]
    noted = [
        _cost(lambda: rollups.note_newest(now=since + timedelta(minutes=15))) for _ in range(rounds)
    ]
    print(f"\n{containers} containers of {len(pks)} instances {_load()}")
    _show("one round written", _middle(written))
    _show("a quarter rolled up, with its day", _middle(rolled))
    _show("the newest noted", _middle(noted))
    print(f"  readings: {size / rows:.0f} bytes each with its index, {kept / 1e9:.2f} GB a day")


def _usage(service: str, at: datetime, number: int) -> Usage:
    return Usage(
        service=service,
        read_at=at,
        cpu_seconds=number * 3.1,
        memory_bytes=100_000_000 + number,
        network_received_bytes=number * 10_000,
        network_sent_bytes=number * 20_000,
        disk_read_bytes=number * 4096,
        disk_written_bytes=number * 8192,
        pids=11,
        container_id=service,
        cpu_periods=number * 150,
        throttled_periods=number,
        throttled_seconds=number / 100,
        memory_limit_bytes=256_000_000,
    )


def _rolled(since: datetime) -> Cost:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO hosting_dirtyquarter (instance_id, at)"
            " SELECT DISTINCT instance_id, %s::timestamptz FROM hosting_sample"
            " ON CONFLICT DO NOTHING",
            [since],
        )
    return _cost(lambda: rollups.roll_up(now=since + timedelta(hours=1)))


def _charts(pks: Sequence[uuid.UUID], rounds: int) -> None:
    """Of other instances each time: what one reads is in memory for the next."""
    print("\nCharts of one instance, first and median of instances not read before")
    spans = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=DAYS)}
    chosen = iter(Instance.objects.select_related("plan", "client").filter(pk__in=pks[:200]))
    for name, span in spans.items():
        times = []
        for _ in range(max(rounds, 9)):
            instance = next(chosen)
            times.append(_cost(partial(_chart, instance, span)).wall)
        print(
            f"  {name:<6} {1000 * times[0]:6.1f} ms, median {1000 * statistics.median(times):6.1f}"
            f" ms, at most {1000 * max(times):6.1f} ms"
        )


def _chart(instance: Instance, span: timedelta) -> None:
    until = MONTH + timedelta(days=DAYS)
    shown = resources.series(instance, measure=Measure.CPU, since=until - span, until=until)
    if not shown.points or any(each.value is None for each in shown.points):
        raise SystemExit("The chart has gaps.")


# --- Rows, and measuring ---------------------------------------------------------------------


@contextmanager
def _database() -> Iterator[None]:
    """A database of the benchmark's own."""
    was = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = f"{was}_bench"
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        yield
    finally:
        connection.creation.destroy_test_db(was, verbosity=0)


def _server(name: str) -> Server:
    clients.create(name=name, slug=name, actor=Actor.system("bench"))
    Plan.objects.create(
        slug=name, name=name, cpus=Decimal(1), memory_mb=512, disk_gb=5, processes=256
    )
    return Server.objects.create(
        name=name, endpoint=DOCKER, cpus=Decimal(64), memory_mb=256 * 1024, disk_gb=1000
    )


def _instances(server: Server, count: int) -> list[uuid.UUID]:
    app = guestbook_app()
    client = Tenant.objects.get(slug=server.name)
    rows = Instance.objects.bulk_create(
        Instance(
            client=client,
            name=f"book-{uuid.uuid4().hex[:12]}",
            app=app.slug,
            version=app.newest_version,
            definition={},
            plan=Plan.objects.get(slug=server.name),
            server=server,
            state=Instance.State.RUNNING,
        )
        for _ in range(count)
    )
    return [each.pk for each in rows]


def _size(table: str) -> int:
    """Bytes on disk of all its partitions, with their indexes."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(%s)", [table]
        )
        return int(cursor.fetchone()[0])


def _show(name: str, cost: Cost) -> None:
    print(f"  {name:<36} {1000 * cost.wall:8.1f} ms, {1000 * cost.cpu:7.1f} ms of CPU")


def _middle(costs: Sequence[Cost]) -> Cost:
    return Cost(
        *(
            statistics.median(getattr(each, name) for each in costs)
            for name in ("wall", "cpu", "engine")
        )
    )


def _cost(work: Callable[[], Any]) -> Cost:
    began, cpu, engine = time.perf_counter(), _cpu(), _cpu_of(_engine_pid())
    work()
    return Cost(time.perf_counter() - began, _cpu() - cpu, _cpu_of(_engine_pid()) - engine)


def _cpu() -> float:
    """Seconds of CPU of this process, its ended children, and its process of PostgreSQL."""
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    backend = connection.connection.info.backend_pid if connection.connection else 0
    return sum(each.ru_utime + each.ru_stime for each in (own, children)) + _cpu_of(backend)


def _cpu_of(pid: int) -> float:
    """Of a process of this machine; nothing where it is not here."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _engine_pid() -> int:
    return int(ENGINE_PID.read_text()) if ENGINE_PID.exists() else 0


def _load() -> str:
    return f"(load {os.getloadavg()[0]:.1f})"


if __name__ == "__main__":
    main()
