"""Backup repositories without the seconds that `restic init` takes for each.

It tries how far this machine can stretch a password, on every new repository, before ours replaces
the key by one that opens at once. Here restic makes a single one, and each test gets a copy of it
with a key for its own password. `tests/hosting/engines/restic` and the journeys have theirs made.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from hosting.engines.restic import Repository, Target, keys, open_repository
from hosting.engines.restic.places import Kind

_PASSWORD = "correct-horse-battery-Xy7"
Ensure = Callable[[Repository], bool]


@dataclass(frozen=True)
class Stock:
    """One empty repository without keys, and the master key that reads it."""

    directory: Path
    master: Mapping[str, object]

    @classmethod
    def laid_in(cls, place: Path) -> Stock:
        """Have restic make it."""
        repository = open_repository(Target(str(place)), "made", _PASSWORD)
        repository.ensure()
        master = json.loads(repository._run("cat", "masterkey"))
        for key in (place / "made" / "keys").iterdir():
            key.unlink()
        return cls(place / "made", master)

    def ensure(self, real: Ensure) -> Ensure:
        """``Repository.ensure``, which takes a new one in an empty local place from the stock."""

        def ensure(repository: Repository) -> bool:
            target = repository.target
            path = Path(target.address(repository.name))
            is_new = not path.exists() and target.kind is Kind.LOCAL
            if not (is_new and Path(target.location).is_dir()):
                return real(repository)
            shutil.copytree(self.directory, path)
            content = keys.key_file(repository.password, self.master)
            (path / "keys" / sha256(content).hexdigest()).write_bytes(content)
            return True

        return ensure
