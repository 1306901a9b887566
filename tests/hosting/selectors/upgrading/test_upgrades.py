"""What an instance can be changed to."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hosting.models import Instance, Server
from hosting.selectors.upgrading import upgrades


@pytest.mark.parametrize(
    ("own", "listed", "offered"),
    [
        ("2", ["2", "1"], []),
        ("1", ["2", "1"], ["2"]),
        ("1.5", ["1.5", "1"], ["2"]),  # not in the catalog's file any more, as the 1 was below it
        ("0", ["0"], ["2", "1"]),
    ],
)
def test_never_a_version_that_stood_after_its_own(
    order: Callable[..., Instance],
    memory_server: Server,
    own: str,
    listed: list[str],
    offered: list[str],
) -> None:
    instance = order()
    instance.version = own
    if own not in ("1", "2"):  # as the entry was in its time
        instance.definition["berth"]["versions"] = [{"version": each} for each in listed]
    assert upgrades.versions_for(instance) == offered
