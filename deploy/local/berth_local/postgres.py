"""A private PostgreSQL: its own cluster, on 127.0.0.1 only, with one role that may log in."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from berth_local.control import control_directory
from berth_local.errors import LocalError
from berth_local.layout import Layout, require_free
from berth_local.processes import end, start_service

SERVER_USER = "postgres"
FALLBACK = Path("/var/lib/berth-local")

# No superuser can log in from outside: the role and its database are made in single-user mode.
ACCESS_RULES = "host all berth 127.0.0.1/32 scram-sha-256\n"
CONFIGURATION = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
timezone = 'UTC'
log_timezone = 'UTC'
"""


# What a scope holds is made anew when it is lost: only the machine's own death could cost it. That
# of PostgreSQL costs nothing, for what was committed is in the kernel's hands. And its tables are
# emptied all the time: with statistics that were taken of empty ones, the planner nests loops over
# whole indexes, dead rows and all, which once took minutes for six rows. Without any it looks at
# the files' sizes.
UNSCOPED_ONLY = ("fsync", "full_page_writes", "autovacuum")


@dataclass
class Postgres:
    """PostgreSQL of one scope; as root it runs as the user `postgres`, otherwise as we do."""

    layout: Layout
    name: ClassVar[str] = "postgres"
    title: ClassVar[str] = "The private PostgreSQL"
    patience: ClassVar[float] = 60.0

    @property
    def control(self) -> Path:
        """See Service."""
        return control_directory(self.layout)

    def start(self) -> subprocess.Popen[bytes]:
        """See Service."""
        binaries = self._binaries
        if not (self._data / "PG_VERSION").exists():
            self._create(binaries)
        require_free(
            self._settings["port"],
            service="PostgreSQL",
            record=self.layout.var / "postgres.json",
        )
        (self._data / "pg_hba.conf").write_text(ACCESS_RULES)
        with self.layout.log(self.name).open("ab") as log:
            return start_service(
                [
                    *(binaries / "postgres", "-D", self._data, "-p", str(self._settings["port"])),
                    *(f"--{each}=off" for each in UNSCOPED_ONLY if self.layout.scope),
                ],
                log=log,
                user=_server_user(),
                end_signal=signal.SIGINT,
            )

    def ready(self) -> bool:
        """See Service."""
        return (
            subprocess.run(
                [self._binaries / "pg_isready", "-q", "-h127.0.0.1", f"-p{self._settings['port']}"],
                timeout=10,
                check=False,
            ).returncode
            == 0
        )

    def environment(self) -> dict[str, str]:
        """See Service."""
        port, password = self._settings["port"], self._settings["password"]
        return {"DATABASE_URL": f"postgres://berth:{password}@127.0.0.1:{port}/berth"}

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Stop by SIGINT, PostgreSQL's "fast shutdown"; by SIGQUIT when that takes too long."""
        end(process, (signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0))

    @cached_property
    def _settings(self) -> dict[str, Any]:
        return self.layout.settings(self.name)

    @cached_property
    def _data(self) -> Path:
        recorded = self._settings.get("data")
        if recorded and (Path(recorded) / "PG_VERSION").exists():
            return Path(recorded)
        data = self.layout.var / "postgres"
        if _server_user() and not _may_enter(self._existing(data)):
            data = FALLBACK / self.layout.digest / "postgres"
        self._settings["data"] = str(data)
        self.layout.save_settings(self.name, self._settings)
        return data

    @staticmethod
    def _existing(path: Path) -> Path:
        return next(parent for parent in path.parents if parent.exists())

    @cached_property
    def _binaries(self) -> Path:
        installed = _installed_versions()
        if not installed:
            raise LocalError(
                "The program 'postgres' is not installed: run 'apt-get install postgresql' as root."
            )
        record = self._data / "PG_VERSION"
        wanted = record.read_text().strip() if record.exists() else max(installed, key=float)
        if wanted not in installed:
            raise LocalError(
                f"{self._data} was made by PostgreSQL {wanted}, and only "
                f"{', '.join(sorted(installed))} is installed: install postgresql-{wanted}, or "
                "remove that directory to begin anew."
            )
        return installed[wanted]

    def _create(self, binaries: Path) -> None:
        """Make the cluster beside its final place, so that a half-made one is never used."""
        draft = self._data.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        if user := _server_user():
            shutil.chown(draft, user, user)
        password = self._settings["password"]
        initdb: list[str | Path] = [
            binaries / "initdb",
            "-D",
            draft,
            "-U",
            "postgres",
            "-E",
            "UTF8",
        ]
        self._run([*initdb, "--locale=C.UTF-8", "--auth=reject", "--no-instructions"])
        with (draft / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION)
        self._run(
            [binaries / "postgres", "--single", "-j", "-D", draft, "postgres"],
            f"CREATE ROLE berth LOGIN CREATEDB PASSWORD '{password}';\n\n"
            "CREATE DATABASE berth OWNER berth;\n\n",
        )
        draft.rename(self._data)

    def _run(self, command: Sequence[str | Path], text: str = "") -> None:
        done = subprocess.run(
            command,
            input=text.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            user=_server_user(),
            group=_server_user(),
            extra_groups=[] if _server_user() else None,
            cwd="/",
            timeout=120,
            check=False,
        )
        # Single-user mode reports a failed statement, and then ends well all the same.
        if done.returncode != 0 or b"ERROR:" in done.stdout or b"FATAL:" in done.stdout:
            said = (
                done.stdout.decode(errors="replace")
                .strip()
                .replace(self._settings["password"], "***")
            )
            raise LocalError(f"{Path(command[0]).name} could not make {self._data}:\n{said}")


def _installed_versions() -> dict[str, Path]:
    versions = {
        binary.parts[-3]: binary.parent
        for binary in Path("/usr/lib/postgresql").glob("*/bin/postgres")
    }
    elsewhere = shutil.which("postgres")
    if not versions and elsewhere:
        said = subprocess.run([elsewhere, "-V"], capture_output=True, text=True, check=True).stdout
        versions[said.split()[2].split(".")[0]] = Path(elsewhere).resolve().parent
    return versions


def _server_user() -> str | None:
    """The user to run as: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(SERVER_USER)
    except KeyError as error:
        raise LocalError(
            "PostgreSQL refuses to run as root, and there is no user 'postgres': "
            "run 'apt-get install postgresql'."
        ) from error
    return SERVER_USER


def _may_enter(directory: Path) -> bool:
    """Whether PostgreSQL's user can traverse a directory and all above it."""
    command = ["test", "-x", f"{directory}/."]
    return (
        subprocess.run(
            command, user=SERVER_USER, group=SERVER_USER, extra_groups=[], cwd="/", check=False
        ).returncode
        == 0
    )
