"""How much the volumes of instances hold: added up file by file here, asked of an engine elsewhere.

Both take their time on large volumes, so this is for every ten minutes, not for every round. What
is not counted within the time that is given is left out: the caller begins with it the next time.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from hosting.engines.docker.client import Client
from hosting.engines.docker.errors import translated
from hosting.engines.labels import LABEL_INSTANCE

BLOCK_BYTES = 512  # what st_blocks counts in, whatever the file system's own are


class OutOfTimeError(Exception):
    """Not everything was counted."""


def read(client: Client, instances: tuple[str, ...], within: timedelta) -> dict[str, int]:
    """Bytes on disk of all volumes together, by instance, in the order that they are given in."""
    if not client.is_local:
        return _asked(client, instances)
    with translated("the list of volumes"):
        listed = client.api.volumes(filters={"label": LABEL_INSTANCE})["Volumes"] or []
    places = _by_instance(listed)
    until = time.monotonic() + within.total_seconds()
    sizes: dict[str, int] = {}
    for instance in instances:
        try:
            if instance in places:
                sizes[instance] = _size(places[instance], until)
        except OutOfTimeError:
            break
        except PermissionError:
            return _asked(client, instances)  # the engine's files are not Berth's to read
    return sizes


def _size(volumes: Iterable[Mapping[str, Any]], until: float) -> int:
    return sum(bytes_under(each["Mountpoint"], until) for each in volumes)


def bytes_under(folder: str, until: float) -> int:
    """What the files below the folder take on disk; one with several names counts once.

    What is removed meanwhile counts nothing. Raises ``OutOfTimeError`` once the clock passes
    ``until``, and ``PermissionError`` where the folder itself can't be read.
    """
    total, folders, seen = 0, [folder], set[int]()
    while folders:
        if time.monotonic() > until:
            raise OutOfTimeError
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    if status.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                        if status.st_ino in seen:
                            continue
                        seen.add(status.st_ino)
                    total += status.st_blocks * BLOCK_BYTES
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except FileNotFoundError:
            continue
    return total


def _asked(client: Client, instances: tuple[str, ...]) -> dict[str, int]:
    """By the engine's own count, which looks at everything that it holds."""
    with translated("the sizes of volumes"):
        listed = client.api.df()["Volumes"] or []
    places = _by_instance(listed)
    return {
        instance: sum(max(0, (each.get("UsageData") or {}).get("Size", 0)) for each in volumes)
        for instance, volumes in places.items()
        if instance in instances
    }


def _by_instance(listed: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    places: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for each in listed:
        instance = (each.get("Labels") or {}).get(LABEL_INSTANCE)
        if instance:
            places[instance].append(each)
    return places
