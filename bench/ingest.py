"""Usage events over HTTP: how many a second one PostgreSQL takes; a replay changes nothing.

The way apps report them: gunicorn with Berth's own WSGI application, and clients that post batches
of 1,000 events with a token of one instance each, all on this machine. Beside it, in the same run,
a peer: the same rows written by plain psycopg into the same tables, by ``unnest`` with nothing of
Berth in between; and the 10,000 a second that a peer has published for its own ingestion.

Every second event is of tokens of a language model, every tenth an hour to ten days late. In the
end all of it is sent again, and both tables and sums have to be as they were.

    make bench ARGS="--events 200000 --workers 2"   (of this file alone: python bench/ingest.py)
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

BASE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(BASE))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hosting.config.settings")

import django  # noqa: E402

django.setup()

import psycopg  # noqa: E402
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from bench.lists.stacks import guestbook_app  # noqa: E402
from hosting.models import Instance, Plan, Server, UsageEvent, UsageSum  # noqa: E402
from hosting.services.measuring import usage_sums, usage_tokens  # noqa: E402
from tenants.services import clients  # noqa: E402
from tenants.services.actors import Actor  # noqa: E402

BATCH = 1000
GOAL, PUBLISHED = 20_000, 10_000
APP = guestbook_app()
Batch = tuple[str, bytes]  # token, body
PORT = [0]  # gunicorn's

_PLAIN = """
WITH input AS (
    SELECT * FROM unnest(%b::uuid[], %b::timestamptz[], %b::text[], %b::float8[])
        AS given(digest, at, label, amount)
), fresh AS (
    INSERT INTO hosting_usagekey (instance_id, digest, received_at)
    SELECT %b, digest, now() FROM input ON CONFLICT DO NOTHING RETURNING digest
)
INSERT INTO hosting_usageevent (instance_id, digest, at, meter, label, amount, key, is_level,
                                source, event_id)
SELECT %b, digest, at, 'executions', label, amount, '', false, 'bench', digest::text
FROM input JOIN fresh USING (digest)
"""


def main() -> None:
    """Measure, print, clean up."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=2, help="of gunicorn")
    parser.add_argument("--clients", type=int, default=2, help="connections that post")
    options, _ = parser.parse_known_args()  # make bench passes everybody's options on
    with _database() as url, _gunicorn(url, options.workers) as port:
        tokens = _tokens(options.clients)
        _send([_batches(tokens[0], 2)], port)  # code is loaded, connections are made
        shares = [_batches(token, options.events // BATCH // options.clients) for token in tokens]
        count = sum(len(share) for share in shares) * BATCH
        size = len(shares[0][0][1])
        print(f"\n{count:,} events in bodies of {BATCH} ({size / 1000:.0f} kB) {_load()}")
        _and_cpu("Berth, over HTTP", count, lambda: _send(shares, port), f"(goal {GOAL:,})")
        _and_cpu("the same, all sent again", count, lambda: _replayed(shares, port))
        _show("plain psycopg, unnest", count, _plain(count))
        print(f"  {'a published peer':<26} {PUBLISHED:9,} a second")


def _show(name: str, count: int, seconds: float, more: str = "") -> None:
    print(f"  {name:<26} {count / seconds:9,.0f} a second {more}")


def _and_cpu(name: str, count: int, work: Callable[[], float], more: str = "") -> None:
    """With what clients, gunicorn and PostgreSQL took of the cores."""
    seconds, cpu = _cost(work)
    _show(name, count, seconds, f"{1e6 * cpu / count:5.1f} us of CPU each {more}")


def _cost(work: Callable[[], float]) -> tuple[float, float]:
    """How long it says it took, and the CPU of clients, gunicorn and PostgreSQL meanwhile."""
    before = _cpu_of_all()
    seconds = work()
    return seconds, _cpu_of_all() - before


def _cpu_of_all() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = sum(each.ru_utime + each.ru_stime for each in (own, ended))
    return total + sum(_cpu_of(pid) for pid in _servers())


def _servers() -> Iterator[int]:
    """Gunicorn's processes, and those of PostgreSQL that work on the benchmark's database."""
    mine = f"127.0.0.1:{PORT[0]}".encode()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            line = stat.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if mine in line or (line.startswith(b"postgres:") and b"_bench" in line):
            yield int(stat.parent.name)


def _cpu_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _load() -> str:
    return f"(load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores)"


# --- What is sent ----------------------------------------------------------------------------


def _batches(token: str, count: int) -> list[Batch]:
    return [(token, _body()) for _ in range(count)]


def _body() -> bytes:
    now = datetime.now(UTC)
    return json.dumps([_event(number, now) for number in range(BATCH)]).encode()


def _event(number: int, now: datetime) -> dict[str, object]:
    late = timedelta(hours=number % 240 + 1) if number % 10 == 0 else timedelta(0)
    is_llm = number % 2 == 0
    tokens = {"model": f"model-{number % 5}", "input": 900 + number, "output": number, "cached": 7}
    return {
        "specversion": "1.0",
        "source": "bench",
        "id": str(uuid.uuid4()),
        "time": (now - late).isoformat(),
        "type": "llm" if is_llm else "executions",
        "subject": f"flow-{number % 50}",
        "data": tokens if is_llm else {"amount": 1},
    }


# --- Sending ---------------------------------------------------------------------------------


def _send(shares: Sequence[Sequence[Batch]], port: int, *, known: bool = False) -> float:
    """Post each share by a process of its own; how long the slowest took, all in all."""
    began = time.perf_counter()
    with multiprocessing.get_context("fork").Pool(len(shares)) as pool:
        began = time.perf_counter()
        pool.starmap(_post_all, [(share, port, known) for share in shares], chunksize=1)
        return time.perf_counter() - began


def _post_all(share: Sequence[Batch], port: int, known: bool) -> None:
    client = http.client.HTTPConnection("127.0.0.1", port)
    for token, body in share:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        client.request("POST", "/api/v1/usage/events", body, headers)
        answer = client.getresponse()
        told = json.loads(answer.read())
        wanted = ("duplicates", "accepted") if known else ("accepted", "duplicates")
        if answer.status != 200 or [told[each] for each in wanted] != [BATCH, 0]:
            raise SystemExit(f"The API answered {answer.status}: {told}")


def _replayed(shares: Sequence[Sequence[Batch]], port: int) -> float:
    """Send all of it again; it has to change neither the events nor their sums."""
    before = _state()
    seconds = _send(shares, port, known=True)
    if _state() != before:
        raise SystemExit("The replay changed something.")
    return seconds


def _state() -> tuple[object, ...]:
    usage_sums.sum_up(now=timezone.now())
    sums = UsageSum.objects.order_by("pk").values_list("pk", "total", "count", "computed_at")
    return UsageEvent.objects.count(), hash(tuple(sums))


def _plain(count: int) -> float:
    """The peer: rows of the same kind, prepared before, by two connections at once."""
    halves = [count // 2 // BATCH] * 2
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return max(pool.starmap(_write_plainly, [(each, _dsn()) for each in halves]))


def _write_plainly(batches: int, dsn: str) -> float:
    instance = uuid.uuid4()
    now = datetime.now(UTC)
    rows = [
        (
            [uuid.uuid4() for _ in range(BATCH)],
            [now - timedelta(hours=n % 240) if n % 10 == 0 else now for n in range(BATCH)],
            [f"model-{n % 5}" for n in range(BATCH)],
            [float(n) for n in range(BATCH)],
        )
        for _ in range(batches)
    ]
    with psycopg.connect(dsn, autocommit=True) as database:
        began = time.perf_counter()
        for columns in rows:
            database.execute(_PLAIN, (*columns, instance, instance), prepare=True)
        return time.perf_counter() - began


# --- What it runs on -------------------------------------------------------------------------


@contextmanager
def _database() -> Iterator[str]:
    """A database of the benchmark's own; its address."""
    was = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = f"{was}_bench"
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        url = urlsplit(os.environ["DATABASE_URL"])
        yield urlunsplit(url._replace(path=f"/{was}_bench"))
    finally:
        connection.creation.destroy_test_db(was, verbosity=0)


def _dsn() -> str:
    parameters = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    return psycopg.conninfo.make_conninfo(
        **{name: parameters[name] for name in names if parameters.get(name)}
    )


@contextmanager
def _gunicorn(database: str, workers: int) -> Iterator[int]:
    """Berth's web process, on a port of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [
        *(sys.executable, "-m", "gunicorn", "hosting.config.wsgi", "--workers", str(workers)),
        *("--bind", f"127.0.0.1:{port}", "--log-level", "warning", "--keep-alive", "30"),
        *("--worker-class", "gthread", "--threads", "2"),
    ]
    environment = os.environ | {
        "DATABASE_URL": database,
        "BERTH_URL": f"http://127.0.0.1:{port}",
        "BERTH_LOG_LEVEL": "WARNING",
    }
    process = subprocess.Popen(command, cwd=BASE, env=environment)
    try:
        _wait_for(port)
        PORT[0] = port
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _wait_for(port: int) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("gunicorn did not come up.")


def _tokens(count: int) -> list[str]:
    """One each of as many instances, that have existed for a year."""
    client = clients.create(name="Bench", slug="bench", actor=Actor.system("bench"))
    limits = {"cpus": Decimal(1), "memory_mb": 512, "disk_gb": 5}
    plan = Plan.objects.create(slug="bench", name="Bench", processes=256, **limits)
    server = Server.objects.create(name="bench", engine=Server.EngineKind.MEMORY, **limits)
    instances = [
        Instance.objects.create(
            client=client,
            name=f"book-{number}",
            app=APP.slug,
            version=APP.newest_version,
            definition=APP.model_dump(mode="json"),
            plan=plan,
            server=server,
        )
        for number in range(count)
    ]
    now = timezone.now()
    Instance.objects.update(created_at=now - timedelta(days=365))
    actor = Actor.system("bench")
    return [
        usage_tokens.make(instance=each, name="bench", actor=actor, now=now) for each in instances
    ]


if __name__ == "__main__":
    main()
