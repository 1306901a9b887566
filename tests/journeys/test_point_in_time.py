"""Restoring to a minute: databases that are really written to, killed, and brought back."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from hosting.flows.working import periodic
from hosting.models import (
    BackupStore,
    Incident,
    Instance,
    Journal,
    JournalPiece,
    Operation,
    Plan,
)
from hosting.selectors.saving import journals as reading
from hosting.services import moves
from hosting.services.saving import journal_alarm, journals, restores
from tenants.services.actors import Actor
from tests.journeys.guestbook import done, write
from tests.journeys.inside import Inside, docker
from tests.journeys.minutes import fetch, get_base, sql

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
PROMISED_SECONDS = 60
BEAT_SECONDS = 5  # as the scheduler has it
# A row at a time, each said once it is committed.
WRITE = """
while psql -AtXq -U guestbook -d guestbook \
    -c 'INSERT INTO ticks VALUES (clock_timestamp()) RETURNING extract(epoch FROM at)'
do sleep 0.1; done
"""


@pytest.fixture
def to_a_minute(small: Plan) -> Plan:
    """A plan whose databases can be restored to any minute."""
    small.point_in_time_days = 7
    small.save(update_fields=["point_in_time_days"])
    return small


@pytest.fixture
def book(to_a_minute: Plan, running: Order, work_off: WorkOff, backup_target: Path) -> Instance:
    """An instance whose journal is kept, and followed from a base."""
    instance = running("book")
    sql(instance, "CREATE TABLE ticks (at timestamptz NOT NULL)")
    get_base(instance, work_off)
    return instance


def test_a_killed_database_loses_less_than_a_minute(
    book: Instance, work_off: WorkOff, actor: Actor
) -> None:
    with _written_to(book) as committed:
        _go_on_for(70)
        time.sleep(journals.EVERY.total_seconds() + BEAT_SECONDS)  # just before the next fetch
        killed_at = _destroy(book)
    fetched = reading.archived_until(book)
    assert fetched is not None
    Instance.objects.update(state=Instance.State.DEGRADED)  # as the reconciler does it
    book.refresh_from_db()
    restore = restores.request_to(instance=book, at=fetched, actor=actor)
    assert done(work_off(book)) == Operation.State.SUCCEEDED
    restore.refresh_from_db()
    there = _ticks(book)
    lost = [each for each in committed if each not in there]
    rpo = killed_at - max(there)
    print(
        f"{len(committed)} rows committed, {len(lost)} lost; RPO {rpo:.1f} s; "
        f"away for {restore.seconds:.1f} s"
    )
    assert there == committed[: len(there)]  # no row is missing in between
    assert len(there) > 100
    assert rpo <= PROMISED_SECONDS
    # It goes on in a journal of its own, from a base of its own; nothing of before was touched.
    old = Journal.objects.get(instance=book, generation=1)
    before = list(old.pieces.values_list("names", flat=True))
    sql(book, "INSERT INTO ticks VALUES (now())")
    get_base(book, work_off)
    [now] = reading.open_of(book)
    assert now.generation == 2
    assert all(name[:8] == "00000002" for each in now.pieces.all() for name in each.names)
    assert list(old.pieces.values_list("names", flat=True)) == before
    assert [span.end <= now.began_at for span in reading.spans(book)] == [True, False]
    # And from there it is brought to a moment once more, on the timeline that began there.
    sql(book, "INSERT INTO ticks VALUES (now())")
    fetch(book)
    rows = len(_ticks(book))
    latest = reading.archived_until(book)
    assert latest is not None
    sql(book, "DELETE FROM ticks")
    restores.request_to(instance=book, at=latest, actor=actor)
    assert done(work_off(book)) == Operation.State.SUCCEEDED
    assert len(_ticks(book)) == rows


def test_a_minute_in_the_middle_brings_exactly_the_rows_before_it(
    book: Instance, work_off: WorkOff, actor: Actor
) -> None:
    write(book, "before")
    sql(book, "INSERT INTO ticks SELECT now() FROM generate_series(1, 1000)")
    time.sleep(0.5)
    middle = timezone.now()
    time.sleep(0.5)
    write(book, "after")
    sql(book, "UPDATE ticks SET at = 'epoch'; DROP TABLE entries CASCADE")
    fetch(book)
    restore = restores.request_to(instance=book, at=middle, actor=actor)
    assert done(work_off(book)) == Operation.State.SUCCEEDED
    assert sql(book, "SELECT string_agg(text, ' ') FROM entries") == "before"
    assert sql(book, "SELECT count(*) FROM ticks WHERE at > 'epoch'") == "1000"
    restore.refresh_from_db()
    assert restore.checks["entries"]["said"] == "1"
    left = Inside(book).run("db", "ls", "/var/lib/postgresql/journal").split()
    assert "of-before-g2" not in left
    moves.revert(instance=book, actor=actor)
    assert done(work_off(book)) == Operation.State.SUCCEEDED
    assert sql(book, "SELECT count(*) FROM ticks WHERE at > 'epoch'") == "0"
    fetch(book)
    assert Journal.objects.get(instance=book, ended_at=None).generation == 1


def test_an_idle_database_is_known_to_be_whole_and_stores_nothing(
    book: Instance, work_off: WorkOff, actor: Actor
) -> None:
    fetch(book)
    fetch(book)
    pieces, until = JournalPiece.objects.count(), reading.archived_until(book)
    time.sleep(40)  # PostgreSQL's own time for a piece has passed
    fetch(book)
    moment = reading.archived_until(book)
    assert until is not None
    assert moment is not None
    assert (moment - until).total_seconds() > 39
    assert JournalPiece.objects.count() <= pieces + 1  # what PostgreSQL notes by itself
    restores.request_to(instance=book, at=moment, actor=actor)  # nothing comes after it
    assert done(work_off(book)) == Operation.State.SUCCEEDED


def test_a_store_that_is_away_fills_no_disk_and_is_told(
    book: Instance, work_off: WorkOff, backup_target: Path, to_a_minute: Plan
) -> None:
    backup_target.rename(backup_target.with_name("away"))
    sql(book, "INSERT INTO ticks SELECT now() FROM generate_series(1, 10)")
    fetch(book)
    journal = Journal.objects.get(instance=book)
    assert "is not there: is its disk mounted?" in journal.trouble
    Journal.objects.update(archived_until=timezone.now() - timedelta(minutes=2))
    journal_alarm.watch(now=timezone.now())
    incident = Incident.objects.get(kind=Incident.Kind.JOURNAL_BEHIND, closed_at=None)
    assert "can be restored only to moments before" in incident.summary
    backup_target.with_name("away").rename(backup_target)
    fetch(book)
    journal_alarm.watch(now=timezone.now())
    incident.refresh_from_db()
    assert incident.closed_at is not None


def test_it_can_be_followed_by_hand_without_berth(
    book: Instance, backup_target: Path, tmp_path: Path
) -> None:
    """With the commands of docs/backups.md, and nothing but restic and PostgreSQL."""
    sql(book, "INSERT INTO ticks SELECT now() FROM generate_series(1, 3)")
    time.sleep(0.5)
    middle = timezone.now()
    time.sleep(0.5)
    sql(book, "INSERT INTO ticks VALUES (now())")
    fetch(book)
    store = BackupStore.objects.get(instance=book)
    data, journal = tmp_path / "data", tmp_path / "journal"
    for place, repository, path in (
        (data, store.path, "base/db.tar"),
        (journal, f"{store.path}.journal-1", "journal/db.tar"),
    ):
        place.mkdir()
        _unpack(f"{backup_target}/{repository}", str(store.password), path, place)
    (data / "recovery.signal").touch()
    with (data / "postgresql.auto.conf").open("a") as conf:
        conf.write('restore_command = \'gzip -dc "/journal/%f.gz" > "%p"\'\n')
        conf.write(f"recovery_target_time = '{middle.isoformat()}'\n")
        conf.write("recovery_target_action = 'promote'\n")
    subprocess.run(["chown", "999:999", data, data / "recovery.signal"], check=True)
    data.chmod(0o700)
    tmp_path.chmod(0o755)
    image = Inside(book).containers()["db"]["Config"]["Image"]
    mounts = ("-v", f"{data}:/data", "-v", f"{journal}:/journal:ro")
    server = ("--user", "999:999", "--entrypoint", "postgres", image, "-D", "/data")
    container = docker("run", "-d", "--network", "none", *mounts, *server).strip()
    try:
        count = (
            "psql",
            "-AtXqU",
            "guestbook",
            "-c",
            "SELECT count(*), pg_is_in_recovery() FROM ticks",
        )
        for _ in range(60):
            found = subprocess.run(
                ["docker", "exec", container, *count], capture_output=True, text=True, check=False
            )
            if found.stdout.endswith("f\n"):
                break
            time.sleep(0.5)
        assert found.stdout == "3|f\n", docker("logs", container)
    finally:
        docker("rm", "-fv", container)


def _unpack(repository: str, password: str, path: str, goal: Path) -> None:
    """Everything of that path into the directory, oldest first."""
    restic = ["restic", "--no-cache", "-r", repository]
    environment = {**os.environ, "RESTIC_PASSWORD": password}

    def run(*words: str) -> bytes:
        command = [*restic, *words]
        return subprocess.run(command, env=environment, check=True, capture_output=True).stdout

    for each in json.loads(run("snapshots", "--json")):
        if each["paths"] == [f"/{path}"]:
            tar = run("dump", each["id"], f"/{path}")
            command = ["tar", "-x", "--numeric-owner", "-C", str(goal)]
            subprocess.run(command, input=tar, check=True)


def _go_on_for(seconds: float) -> None:
    """What the scheduler does meanwhile."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        periodic.ship_journals()
        time.sleep(BEAT_SECONDS)


def _destroy(instance: Instance) -> float:
    """Kill the database and all its files, at once; when that was."""
    containers = Inside(instance).containers()
    docker("kill", "-s", "KILL", containers["db"]["Id"])
    at = time.time()
    docker("rm", "-f", *(each["Id"] for each in containers.values()))
    docker("volume", "rm", f"{instance.project}-postgres", f"{instance.project}-db-journal")
    return at


@contextmanager
def _written_to(instance: Instance) -> Iterator[list[float]]:
    """Rows are written all the time; when each was, once it was committed."""
    container = Inside(instance).containers()["db"]["Id"]
    committed: list[float] = []
    writer = subprocess.Popen(
        ["docker", "exec", container, "sh", "-c", WRITE],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )

    def listen() -> None:
        committed.extend(float(line) for line in writer.stdout or ())

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        yield committed
    finally:
        writer.kill()
        writer.wait()
        listener.join()
        if writer.stdout:
            writer.stdout.close()


def _ticks(instance: Instance) -> list[float]:
    return [float(each) for each in sql(instance, TICKS).split()]


TICKS = "SELECT extract(epoch FROM at) FROM ticks ORDER BY at"
