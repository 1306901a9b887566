"""In which order the services of a stack start and stop."""

from __future__ import annotations

from hosting.engines.errors import GiveUp
from hosting.engines.wanted import Service, Stack


def levels(stack: Stack) -> tuple[tuple[Service, ...], ...]:
    """The services in groups: each group depends only on those before it.

    Raises ``GiveUp`` where a service depends on one that is not there, or on itself by a detour.
    """
    known = {service.name for service in stack.services}
    _check_dependencies(stack, known)
    placed: set[str] = set()
    groups: list[tuple[Service, ...]] = []
    while len(placed) < len(known):
        group = tuple(
            service
            for service in stack.services
            if service.name not in placed and placed.issuperset(service.depends_on)
        )
        if not group:
            circle = ", ".join(sorted(known - placed))
            raise GiveUp(f"the services {circle} wait for each other in a circle")
        groups.append(group)
        placed.update(service.name for service in group)
    return tuple(groups)


def _check_dependencies(stack: Stack, known: set[str]) -> None:
    for service in stack.services:
        for dependency in service.depends_on:
            if dependency not in known:
                raise GiveUp(
                    f"the service {service.name} depends on {dependency}, which is not in the stack"
                )
