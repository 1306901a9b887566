"""What a worker's memory does while large data goes through it: nothing."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import pytest
from pytest_django import Settings

from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import RunResult
from hosting.models import Instance, Operation
from hosting.services.saving import backups
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


def memory_kib(what: str, process: str = "self") -> int:
    """``VmRSS``, what a process takes, or ``VmHWM``, the most that it took."""
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(what))


@contextmanager
def watching_restic() -> Iterator[list[int]]:
    """The most that each look at this process's restics showed, in KiB.

    What the kernel tells of all children would have those of other tests in it.
    """
    seen, done = [0], Event()

    def look() -> None:
        while not done.wait(0.02):
            for task in Path("/proc/self/task").iterdir():
                with suppress(OSError, StopIteration):  # one that has just ended
                    for child in (task / "children").read_text().split():
                        if Path(f"/proc/{child}/comm").read_text() == "restic\n":
                            seen.append(memory_kib("VmHWM", child))

    thread = Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


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
