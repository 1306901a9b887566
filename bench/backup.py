"""Backing up and restoring a database of a gigabyte: Berth beside the same by hand.

    make bench ARGS="--megabytes 1000" (each benchmark takes what it knows)

One guestbook runs on this machine's Docker. Its database gets a table of rows of some 600 bytes,
half of them text as random as hexadecimal digits are. Then, in the same run:

* ``pg_dump | zstd`` and ``pg_dump | restic backup --stdin`` by hand, from the same container;
* Berth's backup. What compares with these is its step “save”; it also reads all of it back;
* a second one after 2 % of the rows were appended, a third after 1 % of them, all over the table,
  were updated: what each added to the store;
* Berth's restore, and ``pg_restore`` of the same dump alone into an empty database.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

BASE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(BASE))
_HERE = Path(tempfile.mkdtemp(prefix="berth-bench-"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hosting.config.settings")
os.environ["BERTH_CATALOG_DIRS"] = str(BASE / "tests" / "catalog")
os.environ["BERTH_OWNER"] = f"bench-{uuid.uuid4().hex[:6]}"
os.environ["BERTH_EDGE"] = "0"
os.environ["BERTH_BACKUP_TARGET"] = str(_HERE)
os.environ.setdefault("BERTH_IMAGE_PREFIX", "berth.local")

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402

from hosting.flows.working import runner  # noqa: E402
from hosting.models import Backup, Instance, Operation, Plan, Server  # noqa: E402
from hosting.services import instances  # noqa: E402
from hosting.services.saving import backups, restores  # noqa: E402
from tenants.services import clients  # noqa: E402
from tenants.services.actors import Actor  # noqa: E402

ACTOR = Actor.system("bench")
USER = DATABASE = "guestbook"
ROW_BYTES = 600
_MB = 10**6
_COLUMNS = """
    clock_timestamp(), repeat('the quick brown fox jumps over the lazy dog ', 6),
    md5(random()::text) || md5(random()::text) || md5(random()::text) || md5(random()::text)
        || md5(random()::text) || md5(random()::text) || md5(random()::text) || md5(random()::text)
"""


def main() -> None:
    """Do all of it once and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=1000)
    options, _ = parser.parse_known_args()
    rows = options.megabytes * _MB // ROW_BYTES
    instance = bring_up()
    try:
        _compare(instance, rows)
    finally:
        remove(instance)


def _compare(instance: Instance, rows: int) -> None:
    _sql(instance, "CREATE TABLE bulk (id bigserial PRIMARY KEY, at timestamptz, a text, b text)")
    _append(instance, rows)
    size = int(_sql(instance, f"SELECT pg_database_size('{DATABASE}')"))
    print(f"\nA database of {size / _MB:.0f} MB (load {os.getloadavg()[0]:.1f})")
    by_zstd = _timed(
        "pg_dump | zstd, by hand", [*_dump(instance), "|", "zstd", "-q", "-o", _file("zst")]
    )
    by_restic = _by_restic(instance)
    first = back_up(instance)
    saving = seconds_of(first.operation, "save")
    show(
        "Berth, save",
        saving,
        f"ratio {saving / by_zstd:.2f} to zstd, {saving / by_restic:.2f} to restic",
    )
    show("Berth, read all of it back", seconds_of(first.operation, "prove"))
    _append(instance, rows // 50)
    _show_added("2 % of the rows appended", back_up(instance), first)
    _sql(instance, "UPDATE bulk SET b = md5(b) || substr(b, 33) WHERE id % 100 = 0")
    third = back_up(instance)
    _show_added("1 % of the rows updated, all over", third, first)
    _restore(instance, third)


def _restore(instance: Instance, backup: Backup) -> None:
    made = restores.request(instance=instance, backup=backup, actor=ACTOR)
    operation = work_off(instance)
    filling = seconds_of(operation, "fill")
    made.refresh_from_db()
    dump = _file("dump")
    _shell([*_dump(instance), ">", dump])
    _sql(instance, "CREATE DATABASE beside")
    alone = _timed(
        "pg_restore alone",
        [
            *inside(instance, "-i"),
            "pg_restore",
            "--single-transaction",
            "-U",
            USER,
            "-d",
            "beside",
            "<",
            dump,
        ],
    )
    show("Berth, fill the new volumes", filling, f"ratio {filling / alone:.2f}")
    show("Berth, away for the restore", made.seconds or 0.0)


def bring_up(*, disk_gb: int = 20) -> Instance:
    """A guestbook of a client's own that runs on this machine's Docker."""
    call_command("migrate", verbosity=0)
    mark = uuid.uuid4().hex[:6]
    Server.objects.update(availability=Server.Availability.CORDONED)
    Server.objects.create(name=f"bench-{mark}", cpus=Decimal(64), memory_mb=65536, disk_gb=1000)
    plan = Plan.objects.create(
        slug=f"bench-{mark}", name="Bench", cpus=Decimal(min(4, os.cpu_count() or 1)),
        memory_mb=3072, disk_gb=disk_gb,
    )  # fmt: skip
    client = clients.create(name="Bench", slug=f"bench-{mark}", actor=ACTOR)
    instance = instances.order(
        client=client, app="guestbook", plan=plan.slug, name="book", actor=ACTOR
    )
    work_off(instance)
    return instance


def remove(instance: Instance) -> None:
    """Delete it, and what was stored of it."""
    instance.refresh_from_db()
    instances.delete(instance=instance, confirmation=instance.name, actor=ACTOR)
    work_off(instance)
    shutil.rmtree(_HERE)


def work_off(instance: Instance) -> Operation:
    """Be the worker for the newest operation; it has to succeed."""
    operation = instance.operations.order_by("-requested_at")[0]
    while operation.is_active:
        runner.run(operation.pk)
        operation.refresh_from_db()
    if operation.state != Operation.State.SUCCEEDED:
        raise SystemExit(f"{operation}: {operation.state}, {operation.reason}")
    instance.refresh_from_db()
    return operation


def back_up(instance: Instance) -> Backup:
    """A backup of it, made and proven."""
    backup = backups.request(instance=instance, actor=ACTOR)
    work_off(instance)
    backup.refresh_from_db()
    return backup


def _by_restic(instance: Instance) -> float:
    os.environ["RESTIC_PASSWORD"] = "by hand"
    repository = ["restic", "--no-cache", "-r", _file("restic")]
    _shell([*repository, "init", "--quiet"])
    try:
        return _timed(
            "pg_dump | restic, by hand",
            [*_dump(instance), "|", *repository, "backup", "--quiet", "--stdin"],
        )
    finally:
        del os.environ["RESTIC_PASSWORD"]


def _append(instance: Instance, rows: int) -> None:
    _sql(instance, f"INSERT INTO bulk (at, a, b) SELECT {_COLUMNS} FROM generate_series(1, {rows})")
    _sql(instance, "CHECKPOINT")


def _sql(instance: Instance, sql: str) -> str:
    command = [*inside(instance), "psql", "-AtXq", "-U", USER, "-d", DATABASE, "-c", sql]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def inside(instance: Instance, *options: str) -> list[str]:
    """What runs a command in its database's container."""
    return ["docker", "exec", *options, f"{instance.project}-db"]


def _dump(instance: Instance) -> list[str]:
    return [*inside(instance), "pg_dump", "-Fc", "--compress=0", "-U", USER, "-d", DATABASE]


def _file(kind: str) -> str:
    return str(_HERE / f"by-hand.{kind}")


def _timed(what: str, words: Sequence[str]) -> float:
    began = time.monotonic()
    _shell(words)
    seconds = time.monotonic() - began
    show(what, seconds)
    return seconds


def _shell(words: Sequence[str]) -> None:
    subprocess.run(["bash", "-o", "pipefail", "-c", " ".join(words)], check=True)


def seconds_of(operation: Operation | None, name: str) -> float:
    """What that step of it took."""
    if operation is None:
        raise SystemExit("The operation is gone.")
    step = operation.steps.get(name=name)
    if step.started_at is None or step.finished_at is None:
        raise SystemExit(f"{step} has not ended.")
    return (step.finished_at - step.started_at).total_seconds()


def show(what: str, seconds: float, more: str = "") -> None:
    """Print a time."""
    print(f"  {what:<36}{seconds:8.1f} s  {more}".rstrip(), flush=True)


def _show_added(what: str, backup: Backup, first: Backup) -> None:
    share = backup.stored_bytes / first.stored_bytes
    print(f"  {what:<36}{backup.stored_bytes / _MB:8.1f} MB  {share:.1%} of the first", flush=True)


if __name__ == "__main__":
    main()
