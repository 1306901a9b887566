"""How much the volumes of instances hold: added up file by file here, asked of an engine elsewhere.

Both take their time on large volumes, so this is for every ten minutes, not for every round. What
is not counted within the time that is given is gone on with the next time; no instance takes more
than half of the time that is left, so that one with millions of files holds up no other.
"""

from __future__ import annotations

import logging
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from stat import S_ISDIR
from typing import Any

from hosting.engines.docker.client import Client
from hosting.engines.docker.errors import translated
from hosting.engines.labels import LABEL_INSTANCE

logger = logging.getLogger(__name__)

BLOCK_BYTES = 512  # what st_blocks counts in, whatever the file system's own are
FEWEST = 1 / 64  # of the time that is given: no instance is begun with for less
ASKED_SECONDS = 300.0  # how long an engine elsewhere may take for its own count


class Sizing:
    """Measures the volumes of one engine."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._begun: dict[str, Walk] = {}  # instance -> what was not done the last time

    def read(self, instances: tuple[str, ...], within: timedelta) -> dict[str, int]:
        """Bytes on disk of all volumes of each instance that was counted to the end."""
        if not self._client.is_local:
            return _asked(self._client, instances)
        with translated("the list of volumes"):
            listed = self._client.api.volumes(filters={"label": LABEL_INSTANCE})["Volumes"] or []
        places = _by_instance(listed)
        self._begun = {each: walk for each, walk in self._begun.items() if each in places}
        wanted = [each for each in instances if each in places]
        try:
            sizes = self._counted(wanted, places, within)
        except PermissionError:
            return _asked(self._client, instances)  # the engine's files are not Berth's to read
        # Nor are they where Berth runs in a container itself: there they do not exist.
        return sizes if sizes or self._begun or not wanted else _asked(self._client, instances)

    def _counted(
        self,
        instances: Iterable[str],
        places: Mapping[str, list[Mapping[str, Any]]],
        within: timedelta,
    ) -> dict[str, int]:
        until = time.monotonic() + within.total_seconds()
        sizes: dict[str, int] = {}
        for instance in instances:
            left = until - time.monotonic()
            if left < FEWEST * within.total_seconds():
                break
            folders = [each["Mountpoint"] for each in places[instance]]
            walk = self._begun.pop(instance, None) or Walk(folders)
            try:
                if walk.go_on(until=time.monotonic() + left / 2):
                    sizes[instance] = walk.total
                else:
                    self._begun[instance] = walk
            except PermissionError:
                raise
            except FileNotFoundError:
                continue  # just removed
            except OSError as error:
                logger.warning("the volumes of %s could not be measured: %s", instance, error)
        return sizes


class Walk:
    """Adds up what the files below the folders take on disk; one with several names counts once.

    What is removed meanwhile counts nothing. The sum is of each file as it was when it was met.
    """

    def __init__(self, folders: Iterable[str]) -> None:
        self.total = 0
        self._sizes = _sizes_below(tuple(folders))

    def go_on(self, *, until: float) -> bool:
        """Count until it is done, which it says, or the clock passes ``until``.

        Raises ``PermissionError`` where a folder can't be read, and ``FileNotFoundError`` where one
        of those it began with is not there.
        """
        for size in self._sizes:
            self.total += size
            if time.monotonic() > until:
                return False
        return True


def _sizes_below(roots: tuple[str, ...]) -> Iterator[int]:
    """Of each entry, one after the other."""
    folders, seen = [*roots], set[tuple[int, int]]()
    while folders:
        folder = folders.pop()
        try:
            for path, status in _entries(folder):
                if S_ISDIR(status.st_mode):
                    folders.append(path)
                elif status.st_nlink > 1:
                    file = (status.st_dev, status.st_ino)
                    if file in seen:
                        continue
                    seen.add(file)
                yield status.st_blocks * BLOCK_BYTES
        except (FileNotFoundError, NotADirectoryError):
            if folder in roots:
                raise


def _entries(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """Those of the folder that are still there when it is their turn."""
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield entry.path, status


def _asked(client: Client, instances: tuple[str, ...]) -> dict[str, int]:
    """By the engine's own count, which up to API 1.41 looks at everything that it holds."""
    with translated("the sizes of volumes"):
        answer = client.get("/system/df", params={"type": "volume"}, timeout_seconds=ASKED_SECONDS)
    places = _by_instance(answer["Volumes"] or [])
    return {
        instance: sum(map(_size_shown, places[instance]))
        for instance in instances
        if instance in places and all(_size_shown(each) >= 0 for each in places[instance])
    }


def _size_shown(volume: Mapping[str, Any]) -> int:
    """-1 where the engine does not know it."""
    return int((volume.get("UsageData") or {}).get("Size", -1))


def _by_instance(listed: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    places: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for each in listed:
        instance = (each.get("Labels") or {}).get(LABEL_INSTANCE)
        if instance:
            places[instance].append(each)
    return places
