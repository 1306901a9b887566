"""Which server an order goes to, and what is said when there is no room."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import transaction
from pytest_django import Settings

from hosting.models import Instance, Plan, Server
from hosting.services import placement
from tenants.errors import Refused

pytestmark = pytest.mark.django_db


def _server(name: str, *, cpus: int = 8, memory_mb: int = 8192, disk_gb: int = 100) -> Server:
    return Server.objects.create(
        name=name, engine="memory", cpus=Decimal(cpus), memory_mb=memory_mb, disk_gb=disk_gb
    )


def _plan(*, cpus: str = "1", memory_mb: int = 4096, disk_gb: int = 10) -> Plan:
    return Plan.objects.create(
        slug="wanted", name="Wanted", cpus=Decimal(cpus), memory_mb=memory_mb, disk_gb=disk_gb
    )


def _choose(plan: Plan) -> Server:
    with transaction.atomic():
        return placement.choose_server(plan=plan)


def test_it_takes_the_server_with_the_most_memory_left() -> None:
    _server("small", memory_mb=8192)
    large = _server("large", memory_mb=16384)
    assert _choose(_plan()) == large


def test_it_counts_what_instances_hold_and_not_what_deleted_ones_held(
    order: Callable[..., Instance], small: Plan
) -> None:
    _server("a", memory_mb=2 * small.memory_mb)
    order("one")
    order("two")
    with pytest.raises(Refused):
        order("three")
    Instance.objects.filter(name="one").update(state="deleted", deleted_at="2026-01-01T00:00Z")
    assert order("three").server.name == "a"


def test_it_takes_nothing_for_a_cordoned_server() -> None:
    _server("a", memory_mb=65536)
    Server.objects.update(availability=Server.Availability.CORDONED)
    other = _server("b")
    assert _choose(_plan()) == other


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (
            {"memory_mb": 16384},
            "No server has 16 GB of memory free: the emptiest has 8 GB.",
        ),
        ({"cpus": "9.5"}, "No server has 9.5 CPUs free: the emptiest has 8 CPUs."),
        ({"disk_gb": 101}, "No server has 101 GB of disk free: the emptiest has 100 GB."),
    ],
)
def test_it_says_what_is_missing_and_the_most_there_is(plan: dict[str, str], sentence: str) -> None:
    _server("a")
    with pytest.raises(Refused) as refused:
        _choose(_plan(**plan))  # type: ignore[arg-type]
    assert refused.value.message == sentence
    assert refused.value.field == "plan"


def test_it_says_so_when_no_single_server_has_it_all() -> None:
    _server("many-cores", cpus=16, memory_mb=1024)
    _server("much-memory", cpus=1, memory_mb=65536)
    with pytest.raises(Refused, match="No single server has the CPUs, memory and disk"):
        _choose(_plan(cpus="4"))


def test_it_says_so_when_there_is_no_open_server() -> None:
    with pytest.raises(Refused, match="No server is open for new instances"):
        _choose(_plan())


def test_staff_choose_one_with_less_room() -> None:
    _server("large", memory_mb=16384)
    small = _server("small")
    with transaction.atomic():
        assert placement.choose_server(plan=_plan(), wanted=small) == small


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"availability": "cordoned"}, "Server a is cordoned: it takes nothing new."),
        ({"availability": "draining"}, "Server a is draining: it takes nothing new."),
        (
            {"memory_mb": 1024},
            "Server a has no room for the plan Wanted:"
            " 8 CPUs, 1 GB of memory and 100 GB of disk are free there.",
        ),
        (
            {"disk_free_bytes": 10**9},
            "Server a has 1.0 GB of disk free, and 10 GB are kept back.",
        ),
    ],
)
def test_the_one_that_staff_choose_has_to_have_room(
    settings: Settings, changed: dict[str, object], sentence: str
) -> None:
    settings.BERTH_DISK_RESERVE_GB = 10
    _server("b")
    chosen = _server("a")
    Server.objects.filter(pk=chosen.pk).update(**changed)
    with pytest.raises(Refused) as refused, transaction.atomic():
        placement.choose_server(plan=_plan(), wanted=chosen)
    assert (refused.value.message, refused.value.field) == (sentence, "server")
