"""The label that tells what a container was given, against what a look at it shows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hosting.engines.docker.limits import altered_limits, limits_label, resources, unenforced
from hosting.engines.labels import LABEL_LIMITS
from hosting.engines.wanted import Limits

MIB = 1024 * 1024
LIMITS = Limits(cpus=Decimal("0.5"), memory_bytes=64 * MIB, pids=50)
INFO = {"CpuCfsQuota": True, "MemoryLimit": True, "SwapLimit": True, "PidsLimit": True}


def shown(label: str | None = None, **different: Any) -> dict[str, Any]:
    """What the engine shows of a container with these limits."""
    label = limits_label(LIMITS) if label is None else label
    policy = {"Name": "unless-stopped", "MaximumRetryCount": 0}
    return {
        "Config": {"Labels": {LABEL_LIMITS: label}},
        "HostConfig": {**resources(LIMITS), "RestartPolicy": policy, "CpuShares": 7} | different,
    }


def test_the_label_is_compact_and_always_the_same() -> None:
    assert limits_label(LIMITS) == (
        '{"Memory":67108864,"MemorySwap":67108864,"NanoCpus":500000000,"PidsLimit":50,'
        '"RestartPolicy":{"Name":"unless-stopped"}}'
    )


@pytest.mark.parametrize(
    ("different", "wanted"),
    [
        ({}, ()),
        ({"Memory": 65 * MIB}, ("limits",)),
        ({"MemorySwap": -1}, ("limits",)),
        ({"NanoCpus": 0}, ("limits",)),
        ({"PidsLimit": None}, ("limits",)),
        ({"RestartPolicy": {"Name": "no"}}, ("restart policy",)),
        ({"PidsLimit": -1, "RestartPolicy": {"Name": "always"}}, ("limits", "restart policy")),
    ],
)
def test_what_differs_from_the_label_is_named(
    different: dict[str, Any], wanted: tuple[str, ...]
) -> None:
    assert altered_limits(shown(**different), frozenset()) == wanted


@pytest.mark.parametrize("label", ["", "{}", "nonsense", "[1]", "7", '{"Memory": 1}'])
def test_a_label_that_berth_did_not_write_says_nothing(label: str) -> None:
    assert altered_limits(shown(label, Memory=1), frozenset()) == ()


def test_a_container_without_the_label_counts_as_not_altered() -> None:
    bare = shown(Memory=1) | {"Config": {"Labels": None}}
    assert altered_limits(bare, frozenset()) == ()


def test_what_the_kernel_cannot_enforce_is_no_alteration() -> None:
    assert unenforced(INFO) == frozenset()
    assert unenforced({}) == frozenset()
    lacking = unenforced(INFO | {"SwapLimit": False, "PidsLimit": False})
    assert lacking == {"MemorySwap", "PidsLimit"}
    assert altered_limits(shown(MemorySwap=-1, PidsLimit=None), lacking) == ()
    assert altered_limits(shown(MemorySwap=-1, Memory=1), lacking) == ("limits",)
