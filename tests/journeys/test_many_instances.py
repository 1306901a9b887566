"""Many instances on one server, and several at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import transaction

from hosting.engines.base import Engine
from hosting.engines.errors import SubnetTaken
from hosting.flows import stacks
from hosting.models import Instance, Operation, Plan, Server
from hosting.services import subnets
from tests.conftest import OWNER
from tests.journeys.portal import Worker, wait_until

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

Order = Callable[..., Instance]
MANY = 45  # a Docker Engine's own pools end at about thirty networks: these are ninety


def test_forty_five_instances_do_not_exhaust_the_engines_addresses(
    order: Order, docker_server: Server, docker_engine: Engine
) -> None:
    Plan.objects.create(
        slug="tiny", name="Tiny", cpus=Decimal("0.25"), memory_mb=256, disk_gb=1, processes=64
    )
    ordered = [order(f"book-{number}", plan="tiny") for number in range(MANY)]
    for instance in ordered:
        prepare(docker_engine, instance)
    observed = docker_engine.observe_all(OWNER)
    assert {str(each.pk) for each in ordered} == set(observed)
    networks = [name for each in observed.values() for name in each.networks]
    assert len(networks) == len(set(networks)) == 2 * MANY
    with ThreadPoolExecutor(4) as pool:
        for done in [
            pool.submit(docker_engine.remove, str(each.pk), with_volumes=True) for each in ordered
        ]:
            done.result()
    assert not docker_engine.observe_all(OWNER)


def prepare(engine: Engine, instance: Instance) -> None:
    """Networks only, in the next subnet where something else on the host has one."""
    while True:
        try:
            return engine.prepare(replace(stacks.build(instance), services=(), volumes=()))
        except SubnetTaken as taken:
            with transaction.atomic():
                subnets.replace_taken(instance=instance, taken_by=str(taken))
            instance.refresh_from_db()


def test_four_are_brought_up_side_by_side(
    order: Order, docker_server: Server, worker: Worker
) -> None:
    ordered = [order(f"book-{number}") for number in range(4)]
    worker.start()
    states = Operation.objects.filter(instance__in=ordered)
    wait_until(
        lambda: not any(each.is_active for each in states.all()),
        seconds=120,
        what="all operations have ended",
    )
    ended = list(states.all())
    assert [each.state for each in ended] == [Operation.State.SUCCEEDED] * 4, [
        each.reason for each in ended
    ]
    assert {each.attempt for each in ended} == {1}
    running = Instance.objects.filter(state=Instance.State.RUNNING)
    assert set(running) == set(ordered)
    # The last one began before the first one was ready.
    began = [each.started_at for each in ended if each.started_at]
    finished = [each.finished_at for each in ended if each.finished_at]
    assert max(began) < min(finished)
