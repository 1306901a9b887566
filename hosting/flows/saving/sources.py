"""From which of the two places a backup is read.

What was copied to the second place has other ids of snapshots there. It is found by what stays: the
backup's tag and the paths. Size and SHA-256 are those of then, so that what is read there is proven
as in the first place.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass, field, replace

from hosting.engines.errors import EngineError, GiveUp
from hosting.engines.restic import (
    AWAY,
    BROKEN,
    Damaged,
    Locked,
    Repository,
    Snapshot,
    Written,
)
from hosting.flows.saving import repositories, snapshots
from hosting.models import Backup


@dataclass(frozen=True, slots=True)
class Source:
    """A backup at one of its places.

    ``ids`` are those of its snapshots there, by path; of what is not in them, the first place's.
    """

    backup: Backup
    repository: Repository
    title: str
    ids: Mapping[str, str] = field(default_factory=dict)
    is_second: bool = False

    def read(self, written: Written) -> Generator[bytes, None, None]:
        """The stream. Raises ``Damaged`` at the end where it is not what was written."""
        yield from self._placing(self.repository.read_as_written(self._here(written)))

    def read_uncompared(self, written: Written) -> Generator[bytes, None, None]:
        """The stream, for whoever compares it."""
        yield from self._placing(self.repository.read(self._here(written).snapshot, written.path))

    def check(self) -> None:
        """Raise ``Damaged`` where something of it is not here, or of another size."""
        listed = {each.id: each for each in self._listed(())}
        for written in snapshots.written_of(self.backup):
            found = listed.get(self._here(written).snapshot)
            if found is None or found.size not in (None, written.size):
                raise Damaged(f"{written.path} of this backup is not in {self.title} any more")

    def _here(self, written: Written) -> Written:
        return replace(written, snapshot=self.ids.get(written.path, written.snapshot))

    def _placing(self, chunks: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
        try:
            yield from chunks
        except EngineError as error:
            raise self._placed(error) from None

    def _listed(self, tags: Collection[str]) -> tuple[Snapshot, ...]:
        try:
            return self.repository.snapshots(tags=tags)
        except EngineError as error:
            raise self._placed(error) from None

    def _placed(self, error: EngineError) -> EngineError:
        """The same, said of the second place where it is that one's."""
        is_its = self.is_second and isinstance(error, (*BROKEN, *AWAY, Locked))
        return type(error)(f"in the second place {error}") if is_its else error


def first(backup: Backup) -> Source:
    """The place where it was written. Nothing is asked of it yet."""
    return Source(backup, repositories.primary(backup.instance), "its store")


def second(backup: Backup) -> Source:
    """The place that it was copied to.

    Raises ``GiveUp`` where there is none, and what the repository there raises.
    """
    repository = repositories.copy(backup.instance)
    if repository is None:
        raise GiveUp("no second place for backups is configured (BERTH_BACKUP_COPY)")
    source = Source(backup, repository, "the second place", is_second=True)
    # Of several attempts the latest comes last.
    found = source._listed([snapshots.tag(backup)])
    return replace(source, ids={each.path: each.id for each in found})
