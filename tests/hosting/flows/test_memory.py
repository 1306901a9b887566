"""What a worker's memory does while large data goes through it: nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import RunResult
from hosting.models import Instance, Operation
from hosting.services.saving import backups
from tenants.services.actors import Actor
from tests.hosting.memory_taken import peak_of, watching_restic

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
pytestmark = pytest.mark.django_db(transaction=True)
MIB = 1024 * 1024
SMALL, LARGE = 100, 512  # in mebibytes


def dump(mebibytes: int) -> Iterator[bytes]:
    """Of which the store keeps a part: it is the way through that is looked at."""
    block = random.Random(5).randbytes(MIB)
    for number in range(mebibytes):
        yield (number // 32).to_bytes(4, "big") + block[4:]


def test_a_backup_takes_no_more_memory_for_ten_times_the_data(
    order: Order,
    memory_engine: MemoryEngine,
    work_off: WorkOff,
    backup_target: Path,
    settings: Settings,
    tmp_path: Path,
    actor: Actor,
) -> None:
    (tmp_path / "off-site").mkdir()
    settings.BERTH_BACKUP_COPY = str(tmp_path / "off-site")
    settings.BERTH_BACKUP_COPY_READ_EVERY = settings.BERTH_BACKUP_COPY_READ_EVERY / 10**9
    book = order("book")
    work_off(book)
    memory_engine._run_command = lambda *_: RunResult(0, "7\n")
    peaks = []
    restics = []
    for size in (1, SMALL, LARGE):  # the first one imports what is imported late
        memory_engine._read_command = lambda *_, size=size: dump(size)
        backup = backups.request(instance=book, actor=actor)
        with watching_restic() as seen:
            peaks.append(peak_of(lambda: work_off(book)))
        restics.append(max(seen))
        backup.refresh_from_db()
        assert backup.copy_read_at is not None  # saved, read back, copied, read back from there
        assert backup.size_bytes > size * MIB
    print(f"this process grew by {peaks[1:]} KiB, restic took at most {restics[1:]} KiB")
    assert peaks[2] < peaks[1] + 32 * 1024
    assert 0 < restics[2] < 500 * 1024
