"""What a night adds to a store, by what is stored of a database and how it is cut into pieces.

    make bench ARGS="--megabytes 250" (each benchmark takes what it knows)

One PostgreSQL of the images, with one table of rows of some 600 bytes, half of them text as random
as hexadecimal digits are. The first night stores all of it, the second comes after 2 % of the rows
were appended, the third after 1 % of them, every hundredth, were updated; each after a vacuum, as a
database that lives has had one. Each way has a restic repository of its own, but for two: blocks
are counted (those that were never seen, together through zstd: less can't be stored of them), and
the journal is what PostgreSQL wrote into it, piece by piece through gzip as Berth keeps it.
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
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from hosting.engines.tar_aligning import aligned

IMAGE = f"{os.environ.get('BERTH_IMAGE_PREFIX', 'berth.local')}/postgres:15"
NAME = f"berth-bench-{uuid.uuid4().hex[:6]}"
ROW_BYTES = 600
_MB = 10**6
_COLUMNS = f"""
    clock_timestamp(), repeat('the quick brown fox jumps over the lazy dog ', 6),
    {" || ".join(["md5(random()::text)"] * 8)}
"""
_UPDATE = "UPDATE bulk SET b = md5(b) || substr(b, 33) WHERE id % 100 = 0"
_BY_KEY = "COPY (SELECT * FROM bulk ORDER BY id) TO STDOUT"
_PSQL = ["docker", "exec", NAME, "psql", "-AtXq", "-U", "postgres", "-c"]
_ARCHIVE = "gzip -c %p > /journal/%f.gz"
_BASE = "pg_basebackup -U postgres -D - -Ft -X none -c fast"


def main() -> None:
    """Go through the three nights and print what each way added."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=250)
    options, _ = parser.parse_known_args()
    here = Path(tempfile.mkdtemp(prefix="berth-bench-"))
    os.environ["RESTIC_PASSWORD"] = "by hand"
    try:
        _start(here)
        _go_through(here, rows=options.megabytes * _MB // ROW_BYTES)
    finally:
        subprocess.run(["docker", "rm", "-fv", NAME], check=False, capture_output=True)
        shutil.rmtree(here, ignore_errors=True)


def _go_through(here: Path, *, rows: int) -> None:
    ways = _ways(here)
    stored: dict[str, list[int]] = {name: [] for name in ways}
    for change in (_insert(rows), _insert(rows // 50), _UPDATE):
        _sql(change)
        _sql("VACUUM ANALYZE bulk")
        _sql("SELECT pg_switch_wal()")
        _sql("CHECKPOINT")
        for name, way in ways.items():
            stored[name].append(way())
    size = int(_sql("SELECT pg_database_size('postgres')"))
    print(f"\nWhat a night adds, of a database of {size / _MB:.0f} MB")
    print(f"  {'':<44}{'first':>10}{'appended':>18}{'updated':>18}")
    for name, (first, *nights) in stored.items():
        shares = [f"{each / _MB:8.1f} MB {each / first:6.1%}" for each in nights]
        print(f"  {name:<44}{first / _MB:7.1f} MB{''.join(f'{each:>18}' for each in shares)}")


def _ways(here: Path) -> dict[str, Callable[[], int]]:
    """Each stores the database as it is now, and says how many bytes that added."""
    dump = "pg_dump -U postgres"
    return {
        "the dump, custom and uncompressed (Berth's)": _streamed(here, f"{dump} -Fc --compress=0"),
        "the dump, plain": _streamed(here, dump),
        "the rows, sorted by key": _streamed(here, f'psql -XqU postgres -c "{_BY_KEY}"'),
        "the same, in files of 27 rows (16 kB)": _in_files(here, rows=27),
        "the same, in files of 7 rows (4 kB)": _in_files(here, rows=7),
        "the database's files (a base)": _streamed(here, _BASE),
        "the same, large files aligned (Berth's)": _aligned(here),
        "the same, blocks of 64 KiB": _in_blocks(here, size=64 * 1024),
        "the same, blocks of 8 KiB (its pages)": _in_blocks(here, size=8 * 1024),
        "the journal since the night before": _journal(here),
    }


def _streamed(here: Path, command: str) -> Callable[[], int]:
    repository = _repository(here)
    backup = f"docker exec {NAME} {command} | restic --no-cache -r {repository} backup --quiet"
    return lambda: _added(repository, f"{backup} --stdin")


def _aligned(here: Path) -> Callable[[], int]:
    repository = _repository(here)
    copying = ["docker", "exec", NAME, *_BASE.split()]
    storing = ["restic", "--no-cache", "-r", str(repository), "backup", "--quiet", "--stdin"]

    def store() -> int:
        before = _size(repository)
        with (
            subprocess.Popen(copying, stdout=subprocess.PIPE) as source,
            subprocess.Popen(storing, stdin=subprocess.PIPE) as goal,
        ):
            assert source.stdout is not None
            assert goal.stdin is not None
            for chunk in aligned(iter(partial(source.stdout.read, 256 * 1024), b"")):
                goal.stdin.write(chunk)
        if source.returncode or goal.returncode:
            raise SystemExit("The database's files could not be stored.")
        return _size(repository) - before

    return store


def _in_files(here: Path, *, rows: int) -> Callable[[], int]:
    """Each file is below restic's smallest piece, and so a piece of its own."""
    repository, pieces = _repository(here), here / f"by-{rows}"
    copied = f'docker exec {NAME} psql -XqU postgres -c "{_BY_KEY}"'
    split = f"split -l {rows} -a 6 - {pieces}/"

    def store() -> int:
        pieces.mkdir()
        _shell(f"{copied} | {split}")
        try:
            return _added(
                repository, f"restic --no-cache -r {repository} backup --quiet --force {pieces}"
            )
        finally:
            shutil.rmtree(pieces)

    return store


def _in_blocks(here: Path, *, size: int) -> Callable[[], int]:
    seen: set[bytes] = set()
    base, new = here / f"base-{size}", here / f"new-{size}"

    def store() -> int:
        base.mkdir()
        _shell(f"docker exec {NAME} {_BASE} | tar -x -C {base}")
        with new.open("wb") as kept:
            for path in sorted(base.glob("base/*/*")):
                content = path.read_bytes()
                for start in range(0, len(content), size):
                    block = content[start : start + size]
                    digest = blake2b(block, digest_size=20).digest()
                    if digest not in seen:
                        seen.add(digest)
                        kept.write(block)
        shutil.rmtree(base)
        return int(_shell(f"zstd -q -c {new} | wc -c"))

    return store


def _journal(here: Path) -> Callable[[], int]:
    seen: set[str] = set()

    def store() -> int:
        time.sleep(5)  # PostgreSQL lays its pieces aside one after the other
        while int(_shell(f"docker exec {NAME} sh -c 'ls /var/lib/postgresql/data/pg_wal/"
                         "archive_status | grep -c ready || true'")):  # fmt: skip
            time.sleep(0.5)
        new = [each for each in (here / "journal").glob("*.gz") if each.name not in seen]
        seen.update(each.name for each in new)
        return sum(each.stat().st_size for each in new)

    return store


def _repository(here: Path) -> Path:
    place = Path(tempfile.mkdtemp(prefix="restic-", dir=here))
    _shell(f"restic --no-cache -r {place} init --quiet")
    return place


def _added(repository: Path, command: str) -> int:
    before = _size(repository)
    _shell(command)
    return _size(repository) - before


def _size(place: Path) -> int:
    return sum(each.stat().st_size for each in place.rglob("*") if each.is_file())


def _start(here: Path) -> None:
    journal = here / "journal"
    journal.mkdir()
    journal.chmod(0o777)
    here.chmod(0o755)
    options = ["-c", "archive_mode=on", "-c", "max_wal_size=4GB"]
    given = ["--name", NAME, "--network", "none", "-v", f"{journal}:/journal"]
    password = ["-e", f"POSTGRES_PASSWORD={uuid.uuid4().hex}"]
    command = ["docker", "run", "-d", *given, *password, IMAGE, "postgres", *options]
    subprocess.run(command, check=True, capture_output=True)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        # The server that sets the database up listens at its socket too, and ends after that.
        if _shell(f"docker logs {NAME} 2>&1").count("ready to accept connections") > 1:
            break
        time.sleep(0.5)
    else:
        raise SystemExit(f"The database does not start: {_shell(f'docker logs {NAME} 2>&1')}")
    _sql(f"ALTER SYSTEM SET archive_command = '{_ARCHIVE}'")
    _sql("SELECT pg_reload_conf()")
    _sql("CREATE TABLE bulk (id bigserial PRIMARY KEY, at timestamptz, a text, b text)")


def _insert(rows: int) -> str:
    return f"INSERT INTO bulk (at, a, b) SELECT {_COLUMNS} FROM generate_series(1, {rows})"


def _sql(sql: str) -> str:
    return subprocess.run([*_PSQL, sql], check=True, capture_output=True, text=True).stdout.strip()


def _shell(command: str) -> str:
    words = ["bash", "-o", "pipefail", "-c", command]
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


if __name__ == "__main__":
    main()
