"""Servers and their address ranges."""

from __future__ import annotations

import pytest

from hosting.models import Server
from hosting.services import servers
from tenants.errors import Refused
from tenants.services.actors import Actor

pytestmark = pytest.mark.django_db


def _create(name: str, supernet: str, actor: Actor) -> Server:
    return servers.create(name=name, actor=actor, supernet=supernet, memory_mb=4096, disk_gb=50)


def test_no_two_servers_share_addresses(actor: Actor) -> None:
    _create("fra-1", "10.208.0.0/16", actor)
    with pytest.raises(Refused, match=r"overlaps with 10\.208\.0\.0/16 of server fra-1") as refused:
        _create("fra-2", "10.208.128.0/17", actor)
    assert refused.value.field == "supernet"
    second = _create("fra-2", "10.209.0.0/16", actor)
    with pytest.raises(Refused, match="overlaps"):
        servers.update(server=second, actor=actor, supernet="10.208.0.0/12")
    servers.update(server=second, actor=actor, supernet="10.210.0.0/16", memory_mb=8192)


@pytest.mark.parametrize("supernet", ["127.0.0.0/8", "169.254.0.0/16", "0.0.0.0/8", "8.8.8.0/24"])
def test_it_refuses_a_range_that_the_firewall_would_not_take(supernet: str, actor: Actor) -> None:
    with pytest.raises(Refused, match="Use a private network"):
        _create("fra-1", supernet, actor)
