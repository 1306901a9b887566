"""The limits and the restart policy that a container was given, and what became of them: pure.

They are written into a label when the container is made, so that one look at it tells whether
somebody ran ``docker update`` since, without knowing the stack.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hosting.engines.labels import LABEL_LIMITS
from hosting.engines.observed import ALTERED_LIMITS, ALTERED_RESTART_POLICY
from hosting.engines.wanted import Limits

NANOSECONDS = 1_000_000_000
RESTART_POLICY = {"Name": "unless-stopped"}
# What the engine's info calls the kernel's ability to enforce a field of the HostConfig. Where it
# lacks one, the engine only warns, and shows another value than it was given.
_ABILITIES = {
    "CpuCfsQuota": "NanoCpus",
    "MemoryLimit": "Memory",
    "SwapLimit": "MemorySwap",
    "PidsLimit": "PidsLimit",
}


def resources(limits: Limits) -> dict[str, int]:
    """The fields of ``HostConfig`` that ``docker update`` can change too."""
    return {
        "NanoCpus": int(limits.cpus * Decimal(NANOSECONDS)),
        "Memory": limits.memory_bytes,
        "MemorySwap": limits.memory_bytes,  # the sum of both: no swap beyond the limit
        "PidsLimit": limits.pids,
    }


def limits_label(limits: Limits) -> str:
    """The label's value: those fields and the restart policy, as compact JSON."""
    given = {**resources(limits), "RestartPolicy": RESTART_POLICY}
    return json.dumps(given, sort_keys=True, separators=(",", ":"))


def unenforced(info: Mapping[str, Any]) -> frozenset[str]:
    """The fields whose shown values mean nothing on an engine that says this about itself."""
    return frozenset(field for name, field in _ABILITIES.items() if not info.get(name, True))


def altered_limits(shown: Mapping[str, Any], unenforced: frozenset[str]) -> tuple[str, ...]:
    """What an inspect shows otherwise than the container's own label; nothing without a label."""
    given = _given(shown["Config"].get("Labels") or {})
    host = shown["HostConfig"]
    fields = set(given) - {"RestartPolicy"} - unenforced
    changes = {
        ALTERED_LIMITS: any(host.get(field) != given[field] for field in fields),
        ALTERED_RESTART_POLICY: "RestartPolicy" in given
        and host["RestartPolicy"]["Name"] != given["RestartPolicy"]["Name"],
    }
    return tuple(name for name, is_so in changes.items() if is_so)


def _given(labels: Mapping[str, str]) -> dict[str, Any]:
    """What the label says; empty where it is missing or was not written by Berth."""
    try:
        given = json.loads(labels.get(LABEL_LIMITS, "{}"))
        return {field: given[field] for field in (*_ABILITIES.values(), "RestartPolicy")}
    except (ValueError, KeyError, TypeError):
        return {}
