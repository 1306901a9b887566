"""What a database service gets so that it keeps its journal, and what its scripts do."""

from __future__ import annotations

import gzip
import os
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hosting.catalog import journal
from hosting.catalog.builder import StackContext, build_stack
from hosting.catalog.errors import BuildError, CatalogError
from hosting.catalog.loader import load_app
from hosting.catalog.schema import App
from hosting.engines.drift import Expected
from hosting.engines.wanted import Mount, Secret, Service, Stack, Volume

MIB = 1024 * 1024
SEGMENT = "000000010000000000000007"
CONF = """\
include '/var/lib/postgresql/data/pgdata/postgresql.conf'
archive_mode = 'on'
archive_timeout = '30'
archive_command = 'sh /run/secrets/berth_journal.sh "%p" "%f"'
berth.generation = '2'
"""


@pytest.fixture
def plain(guestbook: App, context: StackContext) -> Stack:
    return build_stack(guestbook, version="1", context=replace(context, generation=2))


@pytest.fixture
def kept(guestbook: App, context: StackContext) -> Stack:
    wanted = replace(context, generation=2, journal_bytes=100 * MIB)
    return build_stack(guestbook, version="1", context=wanted)


def test_a_database_gets_two_files_a_volume_and_one_word_more(plain: Stack, kept: Stack) -> None:
    db = kept.service("db")
    assert db == replace(
        plain.service("db"),
        command=("postgres", "-c", "config_file=/run/secrets/berth_postgresql.conf"),
        secrets=(
            *plain.service("db").secrets,
            Secret("berth_postgresql.conf", CONF),
            Secret("berth_journal.sh", _file(db, "berth_journal.sh")),
        ),
        mounts=(
            *plain.service("db").mounts,
            Mount("berth-7-db-journal-g2", "/var/lib/postgresql"),
        ),
    )
    assert kept.volumes == (*plain.volumes, Volume("berth-7-db-journal-g2", is_spare=True))
    others = ("web", "redis")
    assert [kept.service(name) for name in others] == [plain.service(name) for name in others]


def test_the_volume_may_be_lost_without_being_missed(plain: Stack, kept: Stack) -> None:
    assert Expected.of(kept).volumes == Expected.of(plain).volumes


def test_while_it_is_brought_back_it_keeps_nothing_and_reads_the_old(kept: Stack) -> None:
    moment = datetime(2026, 3, 1, 2, 34, 56, tzinfo=UTC)
    db = journal.replaying(kept.service("db"), generation=2, until=moment)
    assert replace(db, secrets=()) == replace(kept.service("db"), secrets=())
    lines = _file(db, "berth_postgresql.conf").splitlines()
    assert lines[0] == CONF.splitlines()[0]
    assert {"archive_mode = 'off'", "recovery_target_time = '2026-03-01 02:34:56+00:00'"} <= {
        *lines
    }
    assert "berth_journal.sh" not in {each.name for each in db.secrets}
    to_the_end = journal.replaying(kept.service("db"), generation=2, until=None)
    assert "recovery_target_time =" not in _file(to_the_end, "berth_postgresql.conf")
    assert to_the_end.spec_hash() != db.spec_hash() != kept.service("db").spec_hash()


def test_it_knows_where_the_data_is(kept: Stack) -> None:
    db = kept.service("db")
    assert journal.data_place(db) == journal.DataPlace("berth-7-postgres-g2", "pgdata")
    at_root = replace(db, environment={})
    assert journal.data_place(at_root) == journal.DataPlace("berth-7-postgres-g2", "")
    with pytest.raises(BuildError, match="has no volume at /elsewhere for its data"):
        journal.data_place(replace(db, environment={"PGDATA": "/elsewhere"}))


def test_a_service_that_has_its_data_in_the_journals_place_is_refused(plain: Stack) -> None:
    mounts = (Mount("data", "/var/lib/postgresql/"),)
    service = replace(plain.service("db"), mounts=mounts)
    with pytest.raises(BuildError, match="mount it at /var/lib/postgresql/data"):
        journal.with_journal(service, volume="j", generation=1, limit_bytes=MIB)


def test_a_command_of_the_apps_own_is_kept(plain: Stack) -> None:
    own = replace(plain.service("db"), command=("postgres", "-c", "max_connections=20"))
    made = journal.with_journal(own, volume="j", generation=1, limit_bytes=MIB)
    assert made.command is not None
    assert own.command is not None
    assert made.command[:3] == own.command
    named = replace(own, command=("postgres", "-c", "config_file=/etc/own.conf"))
    with pytest.raises(BuildError, match="names a config_file of its own"):
        journal.with_journal(named, volume="j", generation=1, limit_bytes=MIB)


def test_no_volume_of_the_catalog_can_be_taken_for_a_journal(
    operator_catalog: Path, tmp_path: Path
) -> None:
    text = (operator_catalog / "guestbook.yaml").read_text()
    path = tmp_path / "guestbook.yaml"
    path.write_text(
        text.replace("postgres:/var", "db-journal:/var").replace(
            "  postgres: {}", "  db-journal: {}"
        )
    )
    with pytest.raises(CatalogError, match="must not end in -journal"):
        load_app(path)


# The scripts, as the image's shell runs them


def test_it_keeps_each_piece_once_and_whole(tmp_path: Path, kept: Stack) -> None:
    keep = _script(tmp_path, kept.service("db"), "berth_journal.sh")
    piece = tmp_path / "piece"
    piece.write_bytes(os.urandom(5000) + bytes(200_000))
    assert keep(piece, SEGMENT) == (0, "")
    [found] = (tmp_path / "journal" / "g2").iterdir()
    assert found.name == f"{SEGMENT}.gz"
    assert gzip.decompress(found.read_bytes()) == piece.read_bytes()
    assert keep(piece, SEGMENT) == (0, "")  # it is told again where it was killed in between
    other = tmp_path / "other"
    other.write_bytes(b"another database's")
    code, said = keep(other, SEGMENT)
    assert code == 1
    assert "is in the journal already" in said
    assert gzip.decompress(found.read_bytes()) == piece.read_bytes()


def test_it_starts_anew_what_broke_off(tmp_path: Path, kept: Stack) -> None:
    keep = _script(tmp_path, kept.service("db"), "berth_journal.sh")
    place = tmp_path / "journal" / "g2"
    place.mkdir(parents=True)
    (place / ".part").write_bytes(b"half")
    piece = tmp_path / "piece"
    piece.write_bytes(b"whole")
    assert keep(piece, SEGMENT) == (0, "")
    assert [each.name for each in place.iterdir()] == [f"{SEGMENT}.gz"]


def test_a_journal_that_nobody_fetches_does_not_fill_the_disk(
    tmp_path: Path, guestbook: App, context: StackContext
) -> None:
    stack = build_stack(guestbook, version="1", context=replace(context, journal_bytes=MIB))
    keep = _script(tmp_path, stack.service("db"), "berth_journal.sh")
    piece = tmp_path / "piece"
    piece.write_bytes(os.urandom(MIB))
    assert keep(piece, SEGMENT) == (0, "")
    code, said = keep(piece, "000000010000000000000008")
    assert (code, "the journal is full" in said) == (0, True)  # the database goes on
    place = tmp_path / "journal" / "g1"
    assert [each.name for each in place.iterdir()] == [f"{SEGMENT}.gz"]


def test_it_brings_a_piece_back(tmp_path: Path, kept: Stack) -> None:
    db = journal.replaying(kept.service("db"), generation=2, until=None)
    bring = _script(tmp_path, db, "berth_replay.sh")
    place = tmp_path / "journal" / "of-before-g2"
    place.mkdir(parents=True)
    (place / f"{SEGMENT}.gz").write_bytes(gzip.compress(b"a piece"))
    goal = tmp_path / "goal"
    assert bring(SEGMENT, goal) == (0, "")
    assert goal.read_bytes() == b"a piece"
    assert bring("000000010000000000000008", goal)[0] != 0


def _file(service: Service, name: str) -> str:
    [found] = [each.value for each in service.secrets if each.name == name]
    return found


def _script(tmp_path: Path, service: Service, name: str):
    """The script, with its place in a directory of the test's own."""
    path = tmp_path / name
    path.write_text(_file(service, name).replace("/var/lib/postgresql", str(tmp_path)))

    def run(*arguments: object) -> tuple[int, str]:
        command = ["sh", str(path), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr

    return run
