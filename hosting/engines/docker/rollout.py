"""Carrying out a plan: as much at once as the dependencies allow.

The thread that called the engine decides and reports; the pool's threads only call the engine. So a
``Report`` may use what belongs to its thread, such as a database connection.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Event

from hosting.engines.base import Report
from hosting.engines.docker import containers, readiness
from hosting.engines.docker.client import Client
from hosting.engines.docker.convergence import Action, Plan
from hosting.engines.docker.limits import RESTART_POLICY, resources
from hosting.engines.docker.observing import Found
from hosting.engines.docker.spec import container_name
from hosting.engines.observed import (
    ALTERED_LIMITS,
    ALTERED_NAME,
    ALTERED_NETWORKS,
    ALTERED_RESTART_POLICY,
    ObservedService,
)
from hosting.engines.ordering import levels
from hosting.engines.wanted import Service, Stack

WORKERS = 4  # the daemon serialises starts: more threads gain next to nothing
ROUND_SECONDS = 1.0

Step = tuple[str, Callable[[Service], None]]
"""A line for a person, and the deed."""


class Rollout:
    """One run of the services part of a plan."""

    def __init__(
        self, client: Client, stack: Stack, found: Found, plan: Plan, report: Report
    ) -> None:
        self._client = client
        self._stack = stack
        self._plan = plan
        self._report = report
        self._stopping = Event()
        self._order = [service for level in levels(stack) for service in level]
        self._seen = {each.name: each for each in found.observed.services}
        self._containers = {each.name: each.container_id for each in found.observed.services}
        self._waited_for = {
            dependency
            for service in stack.services
            if not plan.services[service.name].leaves_it_running
            for dependency in service.depends_on
        }
        self._todo = {service.name: self._steps(service) for service in self._order}
        # All else waits for what the service depends on.
        self._any_time = (
            self._create,
            self._rename,
            self._disconnect,
            self._set_limits,
            self._set_restart_policy,
        )
        self._busy: dict[Future[None], str] = {}

    def run(self) -> None:
        """Do all of it. Whatever a step or the report raises ends the work and comes out here."""
        # Waiting holds a thread too, and must not keep others from being made.
        threads = WORKERS + len(self._waited_for)
        with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="berth") as pool:
            try:
                while any(self._todo.values()) or self._busy:
                    self._begin_what_can(pool)
                    self._wait_a_round()
            except BaseException:
                self._stopping.set()
                for future in self._busy:
                    future.cancel()
                raise

    def _steps(self, service: Service) -> list[Step]:
        """What is to be done for the service, in order."""
        name = service.name
        by_action: dict[Action, list[Step]] = {
            Action.KEEP: [],
            Action.ADJUST: self._adjustments(name),
            Action.START: [*self._adjustments(name), (f"starting {name}", self._start)],
            Action.RESUME: [*self._adjustments(name), (f"resuming {name}", self._resume)],
            Action.CREATE: [(f"creating {name}", self._create), (f"starting {name}", self._start)],
            Action.REPLACE: [
                (f"replacing {name}", self._replace),
                (f"starting {name}", self._start),
            ],
        }
        steps = by_action[self._plan.services[name]]
        if name in self._waited_for:
            steps.append((f"waiting for {name} to be ready", self._await))
        return steps

    def _adjustments(self, name: str) -> list[Step]:
        """What puts right what hands have changed on the service's container."""
        seen = self._seen.get(name)
        if seen is None:
            return []
        wanted = container_name(self._stack.project, name)
        by_change: dict[str, Step] = {
            ALTERED_NAME: (f"renaming {seen.container_name} back to {wanted}", self._rename),
            ALTERED_NETWORKS: (
                f"disconnecting {name} from {', '.join(seen.alien_networks)}",
                self._disconnect,
            ),
            ALTERED_LIMITS: (f"setting the limits of {name} back", self._set_limits),
            ALTERED_RESTART_POLICY: (
                f"setting the restart policy of {name} back",
                self._set_restart_policy,
            ),
        }
        return [by_change[change] for change in seen.altered]

    def _begin_what_can(self, pool: ThreadPoolExecutor) -> None:
        active = set(self._busy.values())
        for service in self._order:
            steps = self._todo[service.name]
            if not steps or service.name in active:
                continue
            line, deed = steps[0]
            if deed in self._any_time or self._may_go(service, active):
                self._report(line)
                steps.pop(0)
                active.add(service.name)
                self._busy[pool.submit(deed, service)] = service.name

    def _may_go(self, service: Service, active: set[str]) -> bool:
        return not any(self._todo[each] or each in active for each in service.depends_on)

    def _wait_a_round(self) -> None:
        if not self._busy:
            return
        done, _ = wait(self._busy, timeout=ROUND_SECONDS, return_when=FIRST_COMPLETED)
        if not done:
            self._report(f"waiting for {', '.join(sorted(self._busy.values()))}")
        for future in done:
            del self._busy[future]
        for future in done:
            future.result()

    def _create(self, service: Service) -> None:
        self._containers[service.name] = containers.create(self._client, self._stack, service)

    def _replace(self, service: Service) -> None:
        old: ObservedService = self._seen[service.name]
        containers.retire(self._client, old, service.stop_grace)
        self._create(service)

    def _rename(self, service: Service) -> None:
        containers.rename(self._client, self._stack, service, self._containers[service.name])

    def _disconnect(self, service: Service) -> None:
        containers.disconnect(self._client, self._seen[service.name])

    def _set_limits(self, service: Service) -> None:
        container = self._containers[service.name]
        containers.update(self._client, service.name, container, resources(service.limits))

    def _set_restart_policy(self, service: Service) -> None:
        container = self._containers[service.name]
        policy = {"RestartPolicy": RESTART_POLICY}
        containers.update(self._client, service.name, container, policy)

    def _start(self, service: Service) -> None:
        containers.start(self._client, service, self._containers[service.name])

    def _resume(self, service: Service) -> None:
        containers.resume(self._client, service.name, self._containers[service.name])

    def _await(self, service: Service) -> None:
        container = self._containers[service.name]
        readiness.await_ready(self._client, service, container, self._stopping)
