"""From what an engine has of a stack to what is wanted, and away with it again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial

from hosting.engines.base import Report
from hosting.engines.docker import containers, fabric
from hosting.engines.docker.client import Client
from hosting.engines.docker.convergence import Plan, plan
from hosting.engines.docker.observing import Found, find_instance, looked_at
from hosting.engines.docker.rollout import WORKERS, Rollout
from hosting.engines.docker.spec import needs_secrets_volume, secrets_volume
from hosting.engines.ordering import levels
from hosting.engines.wanted import Stack


def prepare(client: Client, stack: Stack, report: Report) -> None:
    """Create the networks and volumes that are missing."""
    found = find_instance(client, stack.instance)
    # A network that has to be made anew is apply's business: something may run in it.
    existing = set(found.observed.networks)
    wanted = plan(stack, found)
    missing = tuple(each for each in wanted.networks if each.name not in existing)
    _create_fabric(client, stack, replace(wanted, networks=missing), report)


def apply(client: Client, stack: Stack, report: Report) -> None:
    """Converge to the stack, whose images are there; see ``Engine.apply``."""
    found = _look(client, stack)
    wanted = plan(stack, found)
    if _clear(client, stack, found, wanted, report):
        found = _look(client, stack)
        wanted = plan(stack, found)
    _create_fabric(client, stack, wanted, report)
    Rollout(client, stack, found, wanted, report).run()
    _remove_stale_secrets(client, stack, found, report)


def stop(client: Client, stack: Stack, report: Report) -> None:
    """Stop the containers, dependants first and side by side where nothing depends."""
    found = find_instance(client, stack.instance)
    for level in reversed(levels(stack)):
        graces = {service.name: service.stop_grace for service in level}
        chosen = [each for each in found.observed.services if each.name in graces]
        for seen in chosen:
            report(f"stopping {seen.name}")
        _at_once(partial(containers.stop, client, seen, graces[seen.name]) for seen in chosen)


def remove(client: Client, instance: str, *, with_volumes: bool, report: Report) -> None:
    """Remove what carries the instance's label; what is gone already is fine."""
    found = find_instance(client, instance)
    for seen in found.observed.services:
        report(f"removing {seen.name}")
    _at_once(partial(containers.remove, client, seen) for seen in found.observed.services)
    for network in found.networks:
        report(f"removing the network {network.name}")
    _at_once(partial(fabric.remove_network, client, network.id) for network in found.networks)
    doomed = found.observed.volumes if with_volumes else found.secret_volumes
    for volume in doomed:
        report(f"removing the volume {volume}")
    _at_once(partial(fabric.remove_volume, client, volume) for volume in doomed)


def _look(client: Client, stack: Stack) -> Found:
    """What exists of the stack, from a look at the containers that may stay."""
    found = find_instance(client, stack.instance)
    fitting = {service.name: service.spec_hash() for service in stack.services}
    services = tuple(
        looked_at(client, each) if fitting.get(each.name) == each.spec_hash else each
        for each in found.observed.services
    )
    return replace(found, observed=replace(found.observed, services=services))


def _clear(client: Client, stack: Stack, found: Found, wanted: Plan, report: Report) -> bool:
    """Take away what is in the way of the plan; True where that was anything."""
    outdated = {network.name for network in wanted.outdated}
    leaving = {each.container_id for each in wanted.surplus} | {
        each.container_id
        for each in found.observed.services
        if outdated.intersection(each.networks)
    }
    graces = {service.name: service.stop_grace for service in stack.services}
    order = {service.name: depth for depth, level in enumerate(levels(stack)) for service in level}
    going = [each for each in found.observed.services if each.container_id in leaving]
    for seen in sorted(going, key=lambda each: -order.get(each.name, len(order))):
        report(f"removing {seen.name}")
        containers.retire(client, seen, graces.get(seen.name, timedelta(seconds=10)))
    for network in wanted.outdated:
        report(f"removing the network {network.name}")
        fabric.remove_network(client, network.id)
    return bool(going or wanted.outdated)


def _create_fabric(client: Client, stack: Stack, wanted: Plan, report: Report) -> None:
    for network in wanted.networks:
        report(f"creating the network {network.name}")
    for volume in wanted.volumes:
        report(f"creating the volume {volume}")
    _at_once(
        [
            *(partial(fabric.create_network, client, stack, each) for each in wanted.networks),
            *(partial(fabric.create_volume, client, stack, each) for each in wanted.volumes),
        ]
    )


def _remove_stale_secrets(client: Client, stack: Stack, found: Found, report: Report) -> None:
    needed = {
        secrets_volume(stack.project, service.name)
        for service in stack.services
        if needs_secrets_volume(service)
    }
    for volume in found.secret_volumes:
        if volume not in needed:
            report(f"removing the volume {volume}")
            fabric.remove_volume(client, volume)


def _at_once(deeds: Iterable[Callable[[], None]]) -> None:
    """Do all of them, side by side; the first error comes out after all have ended."""
    with ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="berth") as pool:
        for future in [pool.submit(deed) for deed in deeds]:
            future.result()
