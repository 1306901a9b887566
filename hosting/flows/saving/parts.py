"""The parts that a backup is made of: what the catalog declares, read as streams.

Nothing is written to the server's disk on the way, and nothing is held in memory.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum

from hosting.catalog.builder import volume_name
from hosting.catalog.schema import App
from hosting.engines.base import Engine
from hosting.engines.wanted import Stack
from hosting.flows.saving import rdb

SILENCE = timedelta(minutes=5)  # a dump that says nothing for so long is stuck
# The password is where the catalog's convention puts it: in a file, never in a command.
_REDIS_DUMP = """
f=/run/secrets/redis_password
test -r $f && export REDISCLI_AUTH="$(cat $f)"
exec redis-cli --rdb -
"""


class Kind(StrEnum):
    """How a part is read."""

    POSTGRES = "postgres"
    REDIS = "redis"
    VOLUME = "volume"


@dataclass(frozen=True, slots=True)
class Part:
    """A database, the keys of a Redis, or the files of a volume.

    ``name`` is the database's, the service's or the volume's (as in the catalog).
    """

    kind: Kind
    name: str
    service: str = ""
    user: str = ""

    @property
    def path(self) -> str:
        """Under which it is stored, and found in the portable archive."""
        match self.kind:
            case Kind.POSTGRES:
                return f"postgres/{self.service}/{self.name}.dump"
            case Kind.REDIS:
                return f"redis/{self.name}.rdb"
            case Kind.VOLUME:
                return f"volumes/{self.name}.tar"

    @property
    def title(self) -> str:
        """What a person calls it."""
        match self.kind:
            case Kind.POSTGRES:
                return f"the database {self.name}"
            case Kind.REDIS:
                return f"the keys of {self.name}"
            case Kind.VOLUME:
                return f"the files of {self.name}"

    def dump(self) -> dict[str, str]:
        """For the manifest."""
        return asdict(self) | {"kind": str(self.kind), "path": self.path}

    def read(
        self, engine: Engine, stack: Stack, *, generation: int
    ) -> Generator[bytes, None, None]:
        """The part as a stream; its end without an error is the proof that it is whole.

        ``generation`` is the stack's: its volumes have it in their names.
        """
        match self.kind:
            case Kind.POSTGRES:
                # Not compressed: the repository does that, and finds what is the same as before.
                command = ("pg_dump", "-Fc", "--compress=0", "-U", self.user, "-d", self.name)
                return engine.read(stack.instance, self.service, command, silence=SILENCE)
            case Kind.REDIS:
                # A snapshot as a replica gets it: Redis forks for it and goes on serving.
                script = ("sh", "-c", _REDIS_DUMP)
                return rdb.without_mark(
                    engine.read(stack.instance, self.service, script, silence=SILENCE)
                )
            case Kind.VOLUME:
                volume = volume_name(stack.project, self.name, generation)
                return engine.read_volume(stack, volume, silence=SILENCE)


def running(app: App) -> Iterator[Part]:
    """What to save of an app that runs, in the catalog's order."""
    declared = app.berth.backup
    by_kind: dict[str, tuple[Part, ...]] = {
        "postgres": tuple(
            Part(Kind.POSTGRES, each.database, service=each.service, user=each.user)
            for each in declared.postgres
        ),
        "redis": tuple(Part(Kind.REDIS, each, service=each) for each in declared.redis),
        "volumes": tuple(Part(Kind.VOLUME, each) for each in declared.volumes),
    }
    for kind in declared.order:
        yield from by_kind[kind]


def at_rest(app: App) -> Iterator[Part]:
    """What to save of an app of which nothing runs: all its files, as they lie."""
    for volume in app.volumes:
        yield Part(Kind.VOLUME, volume)
