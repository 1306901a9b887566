"""An installation of Berth of the harness' own, whose every part can be killed.

Nothing here imports Django: its settings come from the environment that is made here.
"""

from __future__ import annotations

import base64
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from berth_local.layout import Layout, free_port
from berth_local.postgres import Postgres
from berth_local.processes import end, start_service
from berth_local.service import program, wait_until_ready
from tests.chaos import engine, processes
from tests.chaos.processes import BASE, Part
from tests.chaos.waiting import wait_until

LEASE_SECONDS = 2


@dataclass(frozen=True)
class Place(Layout):
    """The layout of a directory that is not below the checkout."""

    root: Path = Path()

    @property
    def var(self) -> Path:
        return self.root


@dataclass
class Database:
    """PostgreSQL with a cluster of its own."""

    service: Postgres
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers; after a crash it recovers first."""
        log = self.service.layout.log(self.service.name)
        since = log.stat().st_size if log.exists() else 0
        self.process = self.service.start()
        wait_until_ready(self.service, self.process, since=since)

    def crash(self) -> None:
        """What ``pg_ctl stop -m immediate`` does: all end at once, and nothing is written."""
        if self.process is not None:
            end(self.process, (signal.SIGQUIT, 20.0))

    stop = crash


@dataclass
class Broker:
    """Redis that forgets everything when it ends."""

    directory: Path
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def client(self) -> Redis:
        return Redis.from_url(self.url)

    def start(self) -> None:
        """Start it empty and wait until it answers."""
        server = program("redis-server", package="redis-server")
        command: list[str | Path] = [
            *(server, "--bind", "127.0.0.1", "--port", str(self.port)),
            *("--requirepass", self.password, "--save", "", "--appendonly", "no"),
        ]
        with (self.directory / "redis.log").open("ab") as log:
            self.process = start_service(command, log=log, end_signal=signal.SIGKILL)
        wait_until(self._answers, seconds=20, what="Redis answers")

    def crash(self) -> None:
        if self.process is not None:
            end(self.process)

    stop = crash

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisError:
            return False


@dataclass
class Installation:
    """All of it. ``owner`` is the label of everything that it has on the engine."""

    directory: Path
    owner: str
    database: Database
    broker: Broker
    environment: dict[str, str]
    parts: list[Part] = field(default_factory=list)

    def worker(self, *, concurrency: int = 4) -> Part:
        """A worker, not started yet."""
        return self.add(processes.worker(self.directory, self.environment, concurrency=concurrency))

    def beat(self) -> Part:
        """A scheduler, not started yet."""
        return self.add(processes.beat(self.directory, self.environment))

    def watch(self) -> Part:
        """A watch process, not started yet."""
        return self.add(processes.watch(self.directory, self.environment))

    def add(self, part: Part) -> Part:
        """Have the part ended with everything else."""
        self.parts.append(part)
        return part

    def wrong_with_parts(self) -> Iterator[str]:
        """None of them ends by itself, whatever else of the installation dies."""
        for part in self.parts:
            if part.has_ended:
                yield f"the {part.name} ended by itself:\n{part.log_tail(4)}"

    def kill_all(self) -> None:
        """End all parts, so that nobody touches the engine any more."""
        for part in self.parts:
            part.kill()

    def log_tails(self) -> str:
        """What the parts said last."""
        return "\n".join(f"--- {part.name}\n{part.log_tail()}" for part in self.parts)


@contextmanager
def installation() -> Iterator[Installation]:
    """A new installation with PostgreSQL and Redis running; afterwards nothing of it is left."""
    # Not below a closed directory: PostgreSQL runs as a user of its own.
    directory = Path(tempfile.mkdtemp(prefix="berth-chaos-"))
    directory.chmod(0o755)
    (directory / "backups").mkdir()
    owner = f"chaos-{secrets.token_hex(4)}"
    with ExitStack() as cleaning:
        cleaning.callback(shutil.rmtree, directory, ignore_errors=True)
        # With a scope, PostgreSQL leaves the disk's cache alone: no blow here is the machine's end.
        database = Database(Postgres(Place(scope="chaos", root=directory)))
        cleaning.callback(database.stop)
        database.start()
        broker = Broker(directory)
        cleaning.callback(broker.stop)
        broker.start()
        environment = _environment(directory, owner, database, broker)
        made = Installation(directory, owner, database, broker, environment)
        cleaning.callback(engine.remove_all_of, owner)
        cleaning.callback(made.kill_all)
        yield made


def _environment(directory: Path, owner: str, database: Database, broker: Broker) -> dict[str, str]:
    """What its processes need to know."""
    return {
        **database.service.environment(),
        "REDIS_URL": broker.url,
        "DJANGO_SETTINGS_MODULE": "hosting.config.settings",
        "BERTH_MASTER_KEY": f"chaos:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "BERTH_SECRET_KEY": secrets.token_urlsafe(50),
        "BERTH_OWNER": owner,
        "BERTH_CATALOG_DIRS": str(BASE / "tests" / "catalog"),
        "BERTH_IMAGE_PREFIX": "berth.local",
        "BERTH_BACKUP_TARGET": str(directory / "backups"),
        "BERTH_EDGE": "0",
        "BERTH_LEASE_SECONDS": str(LEASE_SECONDS),
        "BERTH_LOG_LEVEL": "INFO",
        "BERTH_BEAT_SCHEDULE": str(directory / "schedule"),
    }
