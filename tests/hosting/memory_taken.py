"""How much memory this process and its restics take, as the kernel tells it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread


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
