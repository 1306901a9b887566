"""What a worker's memory does while a volume of Docker's goes through it: nothing, at any size.

    make bench ARGS="--volume-gigabytes 10"

One guestbook runs on this machine's Docker. Its data volume gets a file of random bytes, of which
nothing can be stored twice or smaller: first of 100 MB, then of so many GB. Each is backed up
through Berth, read back included; the worker is this process. It takes twice that size on the disk,
so that nothing is done unless it is asked for.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import backup  # sets Django up as a benchmark wants it
from hosting.models import Backup, Instance
from tests.hosting.memory_taken import peak_of, watching_restic

_KIB_A_MB = 10**6 / 1024
_MB_A_GB = 1000
_SMALL_MB = 100


def main() -> None:
    """Do it with a small volume and a large one, and print what both took."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--volume-gigabytes", type=int, default=0)
    options, _ = parser.parse_known_args()
    if not options.volume_gigabytes:
        print("\nA large volume: left out, as --volume-gigabytes says nothing of it")
        return
    instance = backup.bring_up(disk_gb=4 * options.volume_gigabytes)
    try:
        backup.back_up(instance)  # imports what is imported late
        for megabytes in (_SMALL_MB, options.volume_gigabytes * _MB_A_GB):
            _measure(instance, megabytes)
    finally:
        backup.remove(instance)


def _measure(instance: Instance, megabytes: int) -> None:
    _fill(instance, megabytes)
    print(f"\nA volume of {megabytes} MB")
    made: list[Backup] = []
    _watch("backed up", lambda: made.append(backup.back_up(instance)))
    [saved] = made
    backup.show("saved", backup.seconds_of(saved.operation, "save"))
    backup.show("read back", backup.seconds_of(saved.operation, "prove"))


def _watch(what: str, work: Callable[[], object]) -> None:
    with watching_restic() as restics:
        grown = peak_of(work)
    print(
        f"  {what}: the worker grew by {grown / _KIB_A_MB:.1f} MB at most, restic took"
        f" {max(restics) / _KIB_A_MB:.0f} MB at most",
        flush=True,
    )


def _fill(instance: Instance, megabytes: int) -> None:
    container = f"{instance.project}-web"
    write = f"head -c {megabytes * 10**6} /dev/urandom > /data/bulk"
    subprocess.run(["docker", "exec", container, "sh", "-c", write], check=True)


if __name__ == "__main__":
    main()
