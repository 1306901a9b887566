"""Keeping a database's journal, PostgreSQL's write-ahead log: pure functions on a service.

Each piece that PostgreSQL has finished with is laid, compressed, into a volume of its own beside
the data. From there Berth takes it to the store, and with it the database can be brought back as
it was at any moment. The image stays as it is: what is added is one setting and two files.
https://www.postgresql.org/docs/15/continuous-archiving.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath

from hosting.catalog.errors import BuildError
from hosting.engines.wanted import Mount, Secret, Service

# The official image makes this directory, and it belongs to the user that PostgreSQL runs as: what
# Docker puts into a new volume from there makes the volume that user's too.
PLACE = "/var/lib/postgresql"
SUFFIX = "-journal"  # of the volume's name in the catalog's words
GENERATION = "berth.generation"
_DATA = "/var/lib/postgresql/data"  # PGDATA of the official image
_CONF = "berth_postgresql.conf"
_KEEP = "berth_journal.sh"
_BRING = "berth_replay.sh"
_TIMEOUT_SECONDS = 30

_KEEP_SCRIPT = """\
# Called by PostgreSQL for each finished piece of its journal: $1 is where it is, $2 its name.
set -eu
place='{place}'
goal="$place/$2.gz"
mkdir -p "$place"
if [ -e "$goal" ]; then
    gzip -dc "$goal" | cmp -s - "$1" && exit 0
    echo "berth: another $2 is in the journal already; this one is not laid over it" >&2
    exit 1
fi
if [ "$(du -sk "$place" | cut -f1)" -ge {limit_kib} ]; then
    # Nobody has fetched anything for long. Kept back, the pieces would fill the disk and end the
    # database; left out, they cost only the way to a minute until the next base is made.
    echo "berth: the journal is full; $2 is left out of it" >&2
    exit 0
fi
gzip -c1 <"$1" >"$place/.part"
sync "$place/.part"
mv "$place/.part" "$goal"
sync "$place"
"""
_BRING_SCRIPT = """\
# Called by PostgreSQL while it is brought back: the piece $1 is to be put at $2.
set -eu
gzip -dc '{place}'/"$1.gz" >"$2"
"""


@dataclass(frozen=True, slots=True)
class DataPlace:
    """Where a database has its files: in which volume, below which directory (``""``: its root)."""

    volume: str
    directory: str


def kept_at(generation: int) -> str:
    """The directory inside the container into which that generation's journal is laid."""
    return f"{PLACE}/journal/g{generation}"


def brought_to(generation: int) -> str:
    """The directory inside the container from which that generation is brought forward."""
    return f"{PLACE}/journal/of-before-g{generation}"


def with_journal(service: Service, *, volume: str, generation: int, limit_bytes: int) -> Service:
    """The service of a database that keeps its journal in that volume, up to that size.

    Raises ``BuildError`` where the service has something else at the journal's place.
    """
    if any(_is_same(each.target, PLACE) for each in service.mounts):
        raise BuildError(
            f"the service {service.name} mounts a volume at {PLACE}, where its journal has to be:"
            f" mount it at {_DATA}"
        )
    command = service.command or ("postgres",)
    if any("config_file" in word for word in command):
        raise BuildError(
            f"the service {service.name} names a config_file of its own, which is Berth's to name"
            " where the plan restores to a minute"
        )
    keep = _KEEP_SCRIPT.format(place=kept_at(generation), limit_kib=limit_bytes // 1024)
    settings = {
        "archive_mode": "on",
        "archive_timeout": str(_TIMEOUT_SECONDS),
        "archive_command": f'sh /run/secrets/{_KEEP} "%p" "%f"',
        GENERATION: str(generation),
    }
    files = {_CONF: _conf(service, settings), _KEEP: keep}
    return replace(
        service,
        command=(*command, "-c", f"config_file=/run/secrets/{_CONF}"),
        secrets=(*service.secrets, *(Secret(name, text) for name, text in files.items())),
        mounts=(*service.mounts, Mount(volume, PLACE)),
    )


def replaying(service: Service, *, generation: int, until: datetime | None) -> Service:
    """That service while it is brought forward to a moment, or (None) to the journal's end.

    It becomes a database of its own by itself once it has passed the moment; at the journal's end
    it waits to be told. Nothing of this stays in its data.
    """
    settings = {
        "archive_mode": "off",
        "restore_command": f'sh /run/secrets/{_BRING} "%f" "%p"',
        "recovery_target_timeline": "current",
        "hot_standby": "on",
        "wal_retrieve_retry_interval": "200ms",
    }
    if until is not None:
        settings |= {
            "recovery_target_time": until.isoformat(sep=" "),
            "recovery_target_inclusive": "on",
            "recovery_target_action": "promote",
        }
    files = {
        _CONF: _conf(service, settings),
        _BRING: _BRING_SCRIPT.format(place=brought_to(generation)),
    }
    others = tuple(each for each in service.secrets if each.name not in (_CONF, _KEEP))
    own = tuple(Secret(name, text) for name, text in files.items())
    return replace(service, secrets=(*others, *own))


def data_place(service: Service) -> DataPlace:
    """Where the service's data is. Raises ``BuildError`` where that is in no volume."""
    path = PurePosixPath(_data_directory(service))
    within = [each for each in service.mounts if path.is_relative_to(each.target)]
    if not within:
        raise BuildError(f"the service {service.name} has no volume at {path} for its data")
    mount = max(within, key=lambda each: len(PurePosixPath(each.target).parts))
    directory = str(path.relative_to(mount.target))
    return DataPlace(mount.volume, "" if directory == "." else directory)


def _data_directory(service: Service) -> str:
    return service.environment.get("PGDATA", _DATA)


def _conf(service: Service, settings: Mapping[str, str]) -> str:
    """What the data directory says, and these on top of it."""
    own = f"{_data_directory(service)}/postgresql.conf"
    lines = [f"include {_quoted(own)}"]
    lines += [f"{name} = {_quoted(value)}" for name, value in settings.items()]
    return "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _is_same(one: str, other: str) -> bool:
    return PurePosixPath(one) == PurePosixPath(other)
