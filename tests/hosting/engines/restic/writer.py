"""A process of its own that writes a long stream: run by the tests, to measure it and to kill it.

Arguments: location, name, password, mebibytes, and "hold" to wait for ever before the last of them.
Prints how far its own peak memory grew, in KiB, and that of restic.
"""

from __future__ import annotations

import random
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from hosting.engines.restic import Target, open_repository

MIB = 1024 * 1024


def stream(mebibytes: int, *, hold: bool) -> Iterator[bytes]:
    block = random.Random(5).randbytes(MIB)
    for number in range(mebibytes):
        if hold and number == mebibytes - 1:
            print("holding", flush=True)
            time.sleep(600)
        yield (number // 32).to_bytes(4, "big") + block[4:]  # mostly what is stored already


def peak_kib() -> int:
    """This program's own peak; ru_maxrss begins with that of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def main() -> None:
    location, name, password, mebibytes, *hold = sys.argv[1:]
    repository = open_repository(Target(location), name, password)
    repository.snapshots()  # all that is imported late is imported now
    before = peak_kib()
    written = repository.write("long", stream(int(mebibytes), hold=bool(hold)), tags=())
    restic = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(peak_kib() - before, restic, written.size, flush=True)


if __name__ == "__main__":
    main()
