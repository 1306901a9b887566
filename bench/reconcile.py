"""One round of the reconciler: every instance of a server observed, and compared with its rows.

Three measurements. A whole round over instances in the memory engine: Berth's own part. A whole
round with the real Docker adapter over a Docker Engine's real answers, multiplied to so many
instances: what the goal is about, under 2 s of one core for 1,000 with at most 10 queries, and
linear from there. And real containers of this machine's engine, listed by the adapter and by the
command line (``docker ps``, ``docker network ls``, ``docker volume ls``) in turn.

"CPU" is this process together with the process of PostgreSQL that answers it. The database is one
of the benchmark's own, and is dropped at the end; so is everything that was put on the engine.

    make bench ARGS="--sizes 500 1000 2000 5000 --real 50"   (of this file alone: python bench/...)
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

BASE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(BASE))
OWNER = f"bench-{uuid.uuid4().hex[:6]}"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hosting.config.settings")
os.environ["BERTH_OWNER"] = OWNER
os.environ["BERTH_FIREWALL"] = "false"  # no operation runs here, and it is not what is measured

import django  # noqa: E402

django.setup()

from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from bench.lists.answers import Answers, Multiplied, served  # noqa: E402
from bench.lists.stacks import guestbook, guestbook_app, sleepers  # noqa: E402
from hosting.engines.base import Engine  # noqa: E402
from hosting.engines.docker import DockerEngine  # noqa: E402
from hosting.engines.drift import Expected  # noqa: E402
from hosting.engines.labels import LABEL_OWNER  # noqa: E402
from hosting.flows import engines  # noqa: E402
from hosting.flows.watching import reconcile  # noqa: E402
from hosting.models import Instance, Operation, Plan, Server  # noqa: E402
from tenants.services import clients  # noqa: E402
from tenants.services.actors import Actor  # noqa: E402

DOCKER = "unix:///var/run/docker.sock"
GOAL_SECONDS, GOAL_QUERIES, GOAL_INSTANCES = 2.0, 10, 1000
FIRST_REAL = 30_000  # subnets of real networks, apart from those of instances on this machine
APP = guestbook_app()


def main() -> None:
    """Measure, print, clean up."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 1000, 2000, 5000])
    parser.add_argument("--real", type=int, default=50, help="instances of three real containers")
    parser.add_argument("--rounds", type=int, default=5)
    options, _ = parser.parse_known_args()  # make bench passes everybody's options on
    logging.getLogger("hosting").setLevel(logging.ERROR)
    with _database():
        _in_memory(options.sizes, options.rounds)
        _docker_answers(options.sizes, options.rounds)
    _real_containers(options.real, options.rounds)


@dataclass(frozen=True, slots=True)
class Cost:
    """What something took, in seconds and queries."""

    wall: float
    cpu: float
    queries: int


def _in_memory(sizes: Sequence[int], rounds: int) -> None:
    print(f"\nA whole round, engine in memory, median of {rounds} {_load()}")
    first = None
    for size in sizes:
        server = _server(Server.EngineKind.MEMORY, f"memory:{size}")
        engine = engines.engine_for(server)
        stacks = [guestbook(APP, pk=uuid.uuid4(), number=n, owner=OWNER) for n in range(size)]
        for stack in stacks:
            engine.prepare(stack)
            engine.apply(stack)
        _rows(server, {stack.instance: Expected.of(stack).dump() for stack in stacks})
        first = _show(size, _round(server, size, rounds), first)


def _docker_answers(sizes: Sequence[int], rounds: int) -> None:
    answers, expected = _one_real_instance()
    print(f"\nA whole round, Docker's answers multiplied, median of {rounds} {_load()}")
    first = None
    for size in sizes:
        pks = [uuid.uuid4() for _ in range(size)]
        multiplied = Multiplied(answers, pks)
        with (
            tempfile.TemporaryDirectory() as folder,
            served(multiplied, Path(folder) / "docker.sock") as endpoint,
        ):
            server = _server(Server.EngineKind.DOCKER, endpoint)
            _rows(server, {str(pk): answers.renamed(expected, pk) for pk in pks})
            first = _show(size, _round(server, size, rounds), first)
            engine = engines.engine_for(server)
            listed = _median(rounds, partial(engine.observe_all, OWNER))
            size_mb = sum(multiplied.sizes.values()) / 1e6
            print(f"         of that the lists alone ({size_mb:.1f} MB): {listed.cpu:.2f} s of CPU")


def _one_real_instance() -> tuple[Answers, str]:
    """What this machine's engine says of a guestbook, and what Berth expects of it, as JSON."""
    pk = uuid.uuid4()
    stack = guestbook(APP, pk=pk, number=FIRST_REAL, owner=OWNER)
    engine = DockerEngine.connect(DOCKER)
    with _removed_in_the_end(engine):
        engine.apply(stack)
        return Answers.of(DOCKER, pk=pk, owner=OWNER), json.dumps(Expected.of(stack).dump())


def _real_containers(count: int, rounds: int) -> None:
    engine = DockerEngine.connect(DOCKER)
    with _removed_in_the_end(engine):
        for number in range(count):
            engine.apply(sleepers(pk=uuid.uuid4(), number=FIRST_REAL + number, owner=OWNER))
        costs: dict[str, list[Cost]] = {"Berth": [], "docker": []}
        for _ in range(rounds):  # in turn, so that both meet the same neighbours
            costs["Berth"].append(_cost(lambda: engine.observe_all(OWNER)))
            costs["docker"].append(_cost(_command_line))
        found = engine.observe_all(OWNER)
    containers = sum(len(each.services) for each in found.values())
    print(f"\n{containers} real containers listed, median of {rounds} {_load()}")
    ours, theirs = (_middle(costs[each]) for each in ("Berth", "docker"))
    for name, cost in (("Berth", ours), ("docker ps, network, volume", theirs)):
        print(f"  {name:<28} {1000 * cost.wall:7.1f} ms  ({1000 * cost.cpu:.1f} ms of CPU)")
    print(f"  ratio {ours.wall / theirs.wall:.2f}  (CPU {ours.cpu / theirs.cpu:.2f})")


def _command_line() -> None:
    """The peer: the same three lists, through Docker's own client."""
    label = f"label={LABEL_OWNER}={OWNER}"
    for command in (
        ["docker", "ps", "--all", "--no-trunc"],
        ["docker", "network", "ls", "--no-trunc"],
        ["docker", "volume", "ls"],
    ):
        subprocess.run(
            [*command, "--filter", label, "--format", "{{json .}}"], check=True, capture_output=True
        )


# --- Rows and engines ------------------------------------------------------------------------


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


@contextmanager
def _removed_in_the_end(engine: Engine) -> Iterator[None]:
    try:
        yield
    finally:
        for instance in engine.observe_all(OWNER):
            engine.remove(instance, with_volumes=True)


def _server(kind: Server.EngineKind, endpoint: str) -> Server:
    return Server.objects.create(
        name=f"bench-{uuid.uuid4().hex[:6]}",
        engine=kind,
        endpoint=endpoint,
        cpus=Decimal(64),
        memory_mb=256 * 1024,
        disk_gb=1000,
    )


def _rows(server: Server, expected: dict[str, object]) -> None:
    """Instances that have run for a while, each with an operation that ended an hour ago."""
    mark = server.name
    client = clients.create(name=mark, slug=mark, actor=Actor.system("bench"))
    plan = Plan.objects.create(
        slug=mark, name=mark, cpus=Decimal(1), memory_mb=512, disk_gb=5, processes=256
    )
    definition = APP.model_dump(mode="json")
    earlier = timezone.now() - timedelta(hours=1)
    rows = Instance.objects.bulk_create(
        Instance(
            id=uuid.UUID(pk),
            client=client,
            name=f"book-{number}",
            app=APP.slug,
            version=APP.newest_version,
            definition=definition,
            plan=plan,
            server=server,
            state=Instance.State.RUNNING,
            first_running_at=earlier,
            expected=each,
        )
        for number, (pk, each) in enumerate(expected.items())
    )
    Operation.objects.bulk_create(
        Operation(
            instance=each,
            kind=Operation.Kind.PROVISION,
            state=Operation.State.SUCCEEDED,
            requested_by_label="bench",
            started_at=earlier,
            finished_at=earlier,
        )
        for each in rows
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as the database does by itself


# --- Measuring -------------------------------------------------------------------------------


def _round(server: Server, size: int, rounds: int) -> Cost:
    """A round's cost; each has to find every instance, and nothing wrong with any."""

    def look() -> None:
        told = reconcile.whole(Server.objects.get(pk=server.pk))
        if told is None or (told.instances, told.drifted) != (size, 0):
            raise SystemExit(f"The round found {told}, and not {size} instances that are well.")

    look()  # connections are made, code is loaded
    gc.collect()
    gc.freeze()  # the instances of an engine in memory are no part of a worker's heap
    try:
        return _median(rounds, look)
    finally:
        gc.unfreeze()
        engines._engine.cache_clear()


def _median(rounds: int, work: Callable[[], object]) -> Cost:
    return _middle([_cost(work) for _ in range(rounds)])


def _middle(costs: Sequence[Cost]) -> Cost:
    return Cost(
        statistics.median(each.wall for each in costs),
        statistics.median(each.cpu for each in costs),
        max(each.queries for each in costs),
    )


def _cost(work: Callable[[], object]) -> Cost:
    queries = 0

    def count(execute: Callable[..., object], *arguments: object) -> object:
        nonlocal queries
        queries += 1
        return execute(*arguments)

    with connection.execute_wrapper(count):
        began, cpu = time.perf_counter(), _cpu()
        work()
        return Cost(time.perf_counter() - began, _cpu() - cpu, queries)


def _cpu() -> float:
    """Seconds of CPU of this process, its ended children, and its process of PostgreSQL."""
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return sum(each.ru_utime + each.ru_stime for each in (own, children)) + _cpu_of_postgres()


def _cpu_of_postgres() -> float:
    if connection.connection is None:
        return 0.0
    stat = Path(f"/proc/{connection.connection.info.backend_pid}/stat")
    if not stat.exists():  # the database is on another machine
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _show(size: int, cost: Cost, first: float | None) -> float:
    """Print a line; the CPU seconds an instance of the first size, to compare with."""
    each = cost.cpu / size
    ratio = each / (first or each)
    verdict = ""
    if size == GOAL_INSTANCES:
        is_met = cost.cpu < GOAL_SECONDS and cost.queries <= GOAL_QUERIES
        met = "met" if is_met else "MISSED"
        verdict = f"  (goal {GOAL_SECONDS:.0f} s, {GOAL_QUERIES} queries: {met})"
    print(
        f"  {size:5} instances {cost.wall:6.2f} s, {cost.cpu:6.2f} s of CPU,"
        f" {cost.queries:2} queries, {1000 * each:.2f} ms each, ratio {ratio:.2f}{verdict}"
    )
    return first or each


def _load() -> str:
    return f"(load {os.getloadavg()[0]:.1f})"


if __name__ == "__main__":
    main()
