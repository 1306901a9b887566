"""How containers stand, and what they use.

That is read from the kernel's files here, and from the engine's stats elsewhere.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from docker.errors import APIError

from hosting.engines.docker import cgroups, observing
from hosting.engines.docker.cgroups import Counters
from hosting.engines.docker.client import Client
from hosting.engines.docker.errors import status_of, translated
from hosting.engines.errors import EngineError, EngineUnavailable
from hosting.engines.labels import LABEL_INSTANCE, LABEL_SERVICE
from hosting.engines.observed import Reading, Standing, Usage

logger = logging.getLogger(__name__)

# One stats call takes a second on Engine 20.10 and only waits: so many at once, or a server with a
# hundred containers could not be read every 15 s.
READERS = 64
# The engine waits for ever for a container whose process hangs: this one alone is left out then.
STATS_SECONDS = 10.0
# What the engine's list shows without ``all``: that which has counters.
_READABLE = ("running", "paused", "restarting")


def read(client: Client, instances: tuple[str, ...]) -> dict[str, Reading]:
    """How all containers of those instances stand, and one reading of each that runs.

    Of a container that ends while it is read there is no usage, and none of one whose usage the
    server does not tell in time; where it tells of none that is ``TryLater``.
    """
    listed = _listed(client, instances)
    running = [each for each in listed if each["State"] in _READABLE]
    counted = _readings(client, [each["Id"] for each in running])
    read_at = datetime.now(UTC)
    standings: dict[str, list[Standing]] = defaultdict(list)
    usages: dict[str, list[Usage]] = defaultdict(list)
    for each in listed:
        standings[each["Labels"][LABEL_INSTANCE]].append(observing.standing(each))
    for each in running:
        counters = counted[each["Id"]]
        if counters is not None:
            usages[each["Labels"][LABEL_INSTANCE]].append(_usage(each, counters, read_at))
    return {
        instance: Reading(
            standings=tuple(sorted(standings[instance], key=lambda each: each.service)),
            usages=tuple(sorted(usages[instance], key=lambda each: each.service)),
        )
        for instance in instances
    }


def _usage(listed: Mapping[str, Any], counters: Counters, read_at: datetime) -> Usage:
    return Usage(
        service=listed["Labels"][LABEL_SERVICE],
        read_at=read_at,
        container_id=listed["Id"],
        **asdict(counters),
    )


def _listed(client: Client, instances: tuple[str, ...]) -> list[Mapping[str, Any]]:
    """All of them, those that do not run included: it is one call either way."""
    # Several labels in one filter must all hold, so more than one instance is chosen here.
    label = f"{LABEL_INSTANCE}={instances[0]}" if len(instances) == 1 else LABEL_INSTANCE
    with translated("the list of containers"):
        listed = client.api.containers(all=True, filters={"label": [label, LABEL_SERVICE]})
    wanted = set(instances)
    return [each for each in listed if each["Labels"].get(LABEL_INSTANCE) in wanted]


def _readings(client: Client, containers: Sequence[str]) -> dict[str, Counters | None]:
    """By container: from the kernel's files one after the other, the rest from the engine."""
    readings = {each: cgroups.read(each) if client.is_local else None for each in containers}
    missing = [each for each, counters in readings.items() if counters is None]
    if missing:
        asked = through_engine(client, missing, are_all=len(missing) == len(containers))
        readings |= dict(zip(missing, asked, strict=True))
    return readings


def through_engine(
    client: Client, containers: Sequence[str], *, are_all: bool = True
) -> list[Counters | None]:
    """Many at once, in the order of the containers; an error where ``are_all`` and each fails."""
    workers = min(READERS, len(containers))
    with ThreadPoolExecutor(workers, thread_name_prefix="berth-usage") as pool:
        told = list(pool.map(lambda each: _told(client, each), containers))
    failed = [each for each in told if isinstance(each, EngineError)]
    if are_all and len(failed) == len(told):
        raise failed[0]
    for each in failed:
        logger.warning("%s: one container's usage is left out", each)
    return [None if isinstance(each, EngineError) else each for each in told]


def _told(client: Client, container: str) -> Counters | EngineError | None:
    """What one container uses, or why the engine does not tell."""
    try:
        return stats_counters(client, container)
    except EngineUnavailable:
        raise
    except EngineError as error:
        return error


def stats_counters(client: Client, container: str) -> Counters | None:
    """One reading through the Engine API; None where the container has ended.

    Never the one that reads twice and waits a second in between.
    """
    with translated(f"the usage of the container {container[:12]}"):
        try:
            shown: dict[str, Any] = client.get(
                f"/containers/{container}/stats",
                params={"stream": "false", "one-shot": "true"},
                timeout_seconds=STATS_SECONDS,
            )
        except APIError as error:
            if status_of(error) in (404, 409):
                return None
            raise
    return from_stats(shown)


def from_stats(shown: Mapping[str, Any]) -> Counters | None:
    """The engine's answer in Berth's units; None for one that no longer runs.

    https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerStats
    """
    memory = shown.get("memory_stats") or {}
    if "usage" not in memory:
        return None
    details = memory.get("stats") or {}
    # cgroup v1 has the total of the group under its own name.
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    networks = (shown.get("networks") or {}).values()
    disk = (shown.get("blkio_stats") or {}).get("io_service_bytes_recursive") or []
    throttling = shown["cpu_stats"].get("throttling_data") or {}
    return Counters(
        cpu_seconds=shown["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        memory_bytes=max(0, memory["usage"] - cache),
        network_received_bytes=sum(each["rx_bytes"] for each in networks),
        network_sent_bytes=sum(each["tx_bytes"] for each in networks),
        disk_read_bytes=sum(each["value"] for each in disk if each["op"].lower() == "read"),
        disk_written_bytes=sum(each["value"] for each in disk if each["op"].lower() == "write"),
        pids=(shown.get("pids_stats") or {}).get("current", 0),
        cpu_periods=throttling.get("periods", 0),
        throttled_periods=throttling.get("throttled_periods", 0),
        throttled_seconds=throttling.get("throttled_time", 0) / 1e9,
        memory_limit_bytes=cgroups.below_unlimited(memory.get("limit", 0)),
    )
