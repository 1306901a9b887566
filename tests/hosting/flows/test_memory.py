"""What a worker's memory does while large data goes through it: nothing."""

from __future__ import annotations

import gc
import random
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import RunResult
from hosting.models import Instance, Operation
from hosting.services import backups
from tenants.services.actors import Actor

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


def memory_kib(what: str) -> int:
    """``VmRSS``, what this process takes, or ``VmHWM``, the most that it took."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(what))


def peak_of(work: Callable[[], object]) -> int:
    """By how many KiB this process grew at most meanwhile."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the most so far is what it takes now
    before = memory_kib("VmRSS")
    work()
    return memory_kib("VmHWM") - before


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
    for size in (1, SMALL, LARGE):  # the first one imports what is imported late
        memory_engine._read_command = lambda *_, size=size: dump(size)
        backup = backups.request(instance=book, actor=actor)
        peaks.append(peak_of(lambda: work_off(book)))
        backup.refresh_from_db()
        assert backup.copy_read_at is not None  # saved, read back, copied, read back from there
        assert backup.size_bytes > size * MIB
    restic = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"this process grew by {peaks[1]} and {peaks[2]} KiB, restic took at most {restic} KiB")
    assert peaks[2] < peaks[1] + 32 * 1024
    assert restic < 500 * 1024
