"""What the random campaign can do: ask for things, lay hands on containers, kill parts.

Every deed takes a number from 0 to 1 that decides on what it is done, and returns one line for the
diary, or nothing where there was nothing to do it to.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from django.db import connections
from docker.errors import APIError

from hosting.engines.errors import EngineError
from hosting.models import ACTIVE_STATES, Instance, Operation
from hosting.services.working import operations
from tenants.errors import Refused
from tests.chaos import engine, fleet, inside
from tests.chaos.fleet import ACTOR, Fleet
from tests.chaos.installation import Installation
from tests.chaos.processes import Part

MOST_INSTANCES = 8
MOST_BLOWS = 3  # for one instance: the pauses between repairs grow with each
LONGEST_AWAY = 3.0  # seconds that a killed part stays away
_Item = TypeVar("_Item")


@dataclass
class World:
    """The installation, and what was accepted there."""

    made: Installation
    fleet: Fleet
    parts: dict[str, Part]
    accepted: list[Operation] = field(default_factory=list)
    secrets: dict[Instance, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    accounts: dict[Instance, str] = field(default_factory=dict)
    blows: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)  # what would not be seen any more in the end
    refused: int = 0

    def alive(self) -> list[Instance]:
        """The instances that are not deleted, in the order of their orders."""
        live = Instance.objects.exclude(state=Instance.State.DELETED)
        return list(live.select_related("client", "server").order_by("created_at"))


Deed = Callable[[World, float], str | None]


def choose(items: Sequence[_Item], chance: float) -> _Item | None:
    """The one that the number points at."""
    return items[int(chance * len(items))] if items else None


def order(world: World, _: float) -> str | None:
    if len(world.alive()) >= MOST_INSTANCES:
        return None
    instance = world.fleet.order(f"app-{Instance.objects.count()}")
    world.accepted.append(fleet.newest(instance))
    return f"ordered {instance.name}"


def ask(kind: Operation.Kind) -> Deed:
    """Ask for an operation of that kind."""

    def deed(world: World, chance: float) -> str | None:
        fit = [each for each in world.alive() if kind in operations.allowed_kinds(each)]
        instance = choose(fit, chance)
        if instance is None:
            return None
        try:
            world.accepted.append(fleet.ask(instance, kind))
        except Refused:
            world.refused += 1
            return None
        return f"{kind} {instance.name}"

    return deed


def retry(world: World, chance: float) -> str | None:
    """Bring a failed one up again, so that they don't all end there."""
    failed = [each for each in world.alive() if each.state == Instance.State.FAILED]
    instance = choose(failed, chance)
    if instance is None:
        return None
    try:
        world.accepted.append(fleet.ask(instance, Operation.Kind.PROVISION))
    except Refused:
        world.refused += 1
        return None
    return f"retry {instance.name}"


def cancel(world: World, chance: float) -> str | None:
    active = Operation.objects.filter(state__in=ACTIVE_STATES).order_by("requested_at")
    operation = choose(list(active), chance)
    if operation is None:
        return None
    try:
        operations.cancel(operation_id=operation.pk, actor=ACTOR)
    except Refused:
        world.refused += 1
        return None
    return f"cancelled {operation.kind} of {operation.instance.name}"


def visit(world: World, chance: float) -> str | None:
    """Remember the account that one of them has opened: it has to be there in the end."""
    running = [each for each in world.alive() if each.state == Instance.State.RUNNING]
    instance = choose([each for each in running if each not in world.accounts], chance)
    if instance is None:
        return None
    try:
        world.accounts[instance] = inside.look(instance).keepsake.account
    except (AssertionError, EngineError):
        return None  # something is just being done to it
    return f"visited {instance.name}"


def strike(how: str) -> Deed:
    """Lay hands on a container, past Berth."""

    def deed(world: World, chance: float) -> str | None:
        names = [
            container.name
            for each in world.alive()
            if world.blows[each.name] < MOST_BLOWS
            for container in _containers(each)
        ]
        name = choose(names, chance)
        if name is None:
            return None
        victim = next(each for each in world.alive() if name.startswith(each.project))
        try:
            _HANDS[how](name)
        except APIError as error:
            return f"{how} {name}: {error.explanation}"
        world.blows[victim.name] += 1
        return f"{how} {name.removeprefix(world.made.owner)}"

    return deed


def _containers(instance: Instance) -> tuple[engine.Container, ...]:
    held = engine.held(engine.LOCAL, str(instance.pk), f"{instance.project}-")
    return held.containers


_HANDS: dict[str, Callable[[str], object]] = {
    "docker rm -f": lambda name: engine.client().remove_container(name, force=True, v=True),
    "docker stop": lambda name: engine.client().stop(name, timeout=5),
    "docker kill": lambda name: engine.client().kill(name),
}


def kill(name: str) -> Deed:
    """Kill a part of Berth with all its processes, and start it again after a while."""

    def deed(world: World, chance: float) -> str | None:
        part = world.parts[name]
        world.faults.extend(world.made.wrong_with_parts())
        part.kill()
        time.sleep(chance * LONGEST_AWAY)
        part.start()
        return f"killed the {name}, away for {chance * LONGEST_AWAY:.1f} s"

    return deed


def crash_redis(world: World, chance: float) -> str | None:
    world.made.broker.client.flushall()
    world.made.broker.crash()
    time.sleep(chance * LONGEST_AWAY)
    world.made.broker.start()
    return f"Redis forgot everything, away for {chance * LONGEST_AWAY:.1f} s"


def crash_postgres(world: World, chance: float) -> str | None:
    world.made.database.crash()
    time.sleep(chance * LONGEST_AWAY)
    world.made.database.start()
    connections.close_all()
    return f"PostgreSQL crashed, away for {chance * LONGEST_AWAY:.1f} s"


DEEDS: tuple[tuple[int, Deed], ...] = (  # how often, compared with the others
    (10, order),
    (6, ask(Operation.Kind.START)),
    (6, ask(Operation.Kind.STOP)),
    (10, ask(Operation.Kind.RESTART)),
    (5, ask(Operation.Kind.BACKUP)),
    (3, ask(Operation.Kind.RESTORE)),
    (2, ask(Operation.Kind.REVERT)),
    (4, ask(Operation.Kind.DELETE)),
    (4, retry),
    (2, cancel),
    (4, visit),
    (2, strike("docker rm -f")),
    (2, strike("docker stop")),
    (2, strike("docker kill")),
    (3, kill("worker")),
    (1, kill("beat")),
    (1, kill("watch")),
    (1, crash_redis),
    (1, crash_postgres),
)
