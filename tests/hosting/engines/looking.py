"""What an engine shows of a stack, cut down to what a test asks."""

from __future__ import annotations

import time
from dataclasses import replace

from hosting.engines.base import Engine
from hosting.engines.observed import ContainerState, ObservedService
from hosting.engines.wanted import Stack


def ids(engine: Engine, stack: Stack) -> dict[str, str]:
    return {each.name: each.container_id for each in engine.observe(stack.instance).services}


def states(engine: Engine, stack: Stack) -> dict[str, ContainerState]:
    return {each.name: each.state for each in engine.observe(stack.instance).services}


def changed(stack: Stack, name: str, **fields: object) -> Stack:
    """The stack with other values in one of its services."""
    services = tuple(
        replace(each, **fields) if each.name == name else each  # type: ignore[arg-type]
        for each in stack.services
    )
    return replace(stack, services=services)


def all_run(engine: Engine, stack: Stack) -> bool:
    return states(engine, stack) == {each.name: ContainerState.RUNNING for each in stack.services}


def seen(engine: Engine, stack: Stack, service: str) -> ObservedService:
    """A look at the service's container, which must be there."""
    found = engine.observe(stack.instance).service(service)
    assert found is not None
    return found


def until_logged(engine: Engine, stack: Stack, service: str, text: str) -> None:
    """Wait for the service's log to be the text: what is stopped too early says nothing."""
    end = time.monotonic() + 20
    while (logged := engine.logs(stack.instance, service)) != text:
        assert time.monotonic() < end, logged
        time.sleep(0.05)
