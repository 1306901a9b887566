"""Subnets: the lowest free one, never twice, and thousands of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.db import transaction
from pytest_django import Settings

from hosting.models import Instance, Server, Subnet
from hosting.services import subnets
from tenants.errors import Refused

Order = Callable[..., Instance]
pytestmark = pytest.mark.django_db


def _copies(instance: Instance, count: int) -> list[Instance]:
    """Rows like that one, without all that an order makes."""
    copies = [
        Instance(
            client=instance.client,
            name=f"copy-{number}",
            app=instance.app,
            version=instance.version,
            definition={},
            plan=instance.plan,
            server=instance.server,
            id=uuid.uuid4(),
        )
        for number in range(count)
    ]
    return Instance.objects.bulk_create(copies)


def test_it_gives_out_what_is_free_among_5000(
    order: Order, memory_server: Server, settings: Settings
) -> None:
    settings.BERTH_INSTANCES_PER_CLIENT = 10_000
    Server.objects.update(cpus=99_999, memory_mb=10**7, disk_gb=10**6)
    copies = _copies(order("book"), 4999)
    Subnet.objects.bulk_create(
        Subnet(server=memory_server, index=index, instance=copy)
        for index, copy in enumerate(copies[:4989], start=1)
    )
    for copy in copies[4989:]:
        subnets.allocate(instance=copy)
    assert set(Subnet.objects.values_list("index", flat=True)) == set(range(5000))
    assert Subnet.objects.select_related("server").get(index=4999).cidr == "10.210.112.224/27"
    for index in (4321, 1234):
        subnets.release(instance=copies[index - 1])
    assert [order(name).subnet.index for name in ("one", "two", "three")] == [1234, 4321, 5000]


def test_it_gives_an_instance_the_same_subnet_again(order: Order, memory_server: Server) -> None:
    instance = order("book")
    assert subnets.allocate(instance=instance) == instance.subnet


def test_it_reuses_the_lowest_released_one(order: Order, memory_server: Server) -> None:
    order("one")
    second = order("two")
    order("three")
    subnets.release(instance=second)
    assert order("four").subnet.index == 1


def test_it_sets_aside_a_subnet_that_something_else_uses(
    order: Order, memory_server: Server
) -> None:
    instance = order("book")
    replacement = subnets.replace_taken(instance=instance, taken_by="a VPN")
    assert replacement.index == 1
    assert Subnet.objects.get(index=0).taken_by == "a VPN"


def test_it_says_when_the_range_is_used_up(order: Order, memory_server: Server) -> None:
    Server.objects.update(supernet="10.208.0.0/27")
    first = order("one")
    (copy,) = _copies(first, 1)
    copy.server.refresh_from_db()
    with (
        pytest.raises(Refused, match=r"no free subnet left: all 1 of 10\.208\.0\.0/27"),
        transaction.atomic(),
    ):
        subnets.allocate(instance=copy)
