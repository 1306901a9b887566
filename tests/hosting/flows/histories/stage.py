"""What a history is played on: a server in memory, an app of one service, and the strings to pull.

Two servers are made once: on one an instance runs already, the other is empty. A history opens one
of them. Only what a history must be able to steer is taken hold of: the engine behind a server,
the doorbell, the places at which a worker may be interrupted, and the clock of a step's waiting.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now
from pytest_django import Settings

from hosting.engines.memory import Hands, MemoryEngine
from hosting.engines.observed import ContainerState, ObjectKind, Observed, ObservedService
from hosting.flows import base, engines
from hosting.flows.moments import Moment
from hosting.flows.watching import quarantine, reconcile
from hosting.flows.working import runner
from hosting.models import Instance, Operation, Plan, Server
from hosting.services import instances
from hosting.services.working import doorbell, leases, progress
from tenants.models import Client, User
from tenants.services.actors import Actor

LEASE = timedelta(minutes=20)  # its heartbeat, on a connection of its own, never comes in a history
ALIEN = "alien-"
APP = """
services:
  web:
    image: guestbook:2
    networks: [front]
    secrets: [key]
    volumes: ["data:/data"]
    healthcheck: {test: [CMD, "true"]}
networks: {front: {}}
volumes: {data: {}}
secrets: {key: {file: ./secrets/key}}
x-berth:
  title: Single
  description: One service with a volume and a secret.
  category: Test
  homepage: https://example.com/single
  icon: book
  versions: [{version: "2"}]
  web: {service: web, port: 8000, readiness: /readyz}
  smoke: [/]
  shares: {web: 1}
  minimum: {memory_mb: 128, cpus: 0.25, disk_gb: 1}
  secrets: {key: {generate: hex, length: 64}}
"""
# Everything that has a time in it, but for the audit log, which nobody can change.
CLOCKS = {
    "hosting_operation": ("requested_at", "run_after", "lease_expires_at", "started_at",
                          "finished_at", "cancel_requested_at"),
    "hosting_server": ("retry_at", "silent_since", "last_answered_at", "reconcile_at"),
    "hosting_instance": ("repair_after", "first_running_at", "deleted_at"),
    "hosting_drift": ("found_at", "last_seen_at", "settled_at"),
    "hosting_incident": ("opened_at", "closed_at"),
    "hosting_stray": ("first_seen_at", "last_seen_at", "ended_at"),
}  # fmt: skip
LET_PASS = ";".join(
    f"UPDATE {table} SET " + ", ".join(f"{column} = {column} - %(span)s" for column in columns)
    for table, columns in CLOCKS.items()
)


class Stage:
    """The surroundings of all histories of one test."""

    def __init__(self, client: Client, plan: Plan, person: User) -> None:
        self.client = client
        self.plan = plan
        self.person = Actor(id=str(person.pk), label=person.email)
        self.tally: Counter[str] = Counter()
        self.crashed_at: set[tuple[str, str, str]] = set()
        self.bells: list[Any] = []
        self.claimed: list[leases.Lease] = []
        self.begun: Counter[tuple[Any, str]] = Counter()
        self.done: Counter[tuple[Any, str]] = Counter()
        self._clock_offset = 0.0
        self._interruption: Callable[[str, str, Moment], None] | None = None
        self._empty = _server("empty", "10.208.0.0/16")
        self.engine = MemoryEngine()

    def furnish(self) -> None:
        """Make the server on which an instance runs already, and close both."""
        self._furnished = _server("furnished", "10.209.0.0/16")
        self._server = self._furnished
        Server.objects.filter(pk=self._empty.pk).update(availability="cordoned")
        instance = self.order("book")
        assert runner.run(instance.operations.get().pk)
        Server.objects.filter(pk=self._furnished.pk).update(availability="cordoned")
        self._runs_already = self.engine

    def begin(self, *, runs: bool) -> None:
        """A new history, with an instance that runs or with none."""
        self._server = self._furnished if runs else self._empty
        self.engine = deepcopy(self._runs_already) if runs else MemoryEngine()
        for memory in (self.bells, self.claimed, self.begun, self.done):
            memory.clear()
        Server.objects.filter(pk=self._server.pk).update(availability="open")

    @property
    def server_id(self) -> Any:
        return self._server.pk

    def server(self) -> Server:
        """Its row as it is now."""
        return Server.objects.get(pk=self._server.pk)

    def order(self, name: str) -> Instance:
        return instances.order(
            client=self.client, app="single", plan=self.plan.slug, name=name, actor=self.person
        )

    # --- Time, and what is told at the end of a transaction ---------------------------------

    def let_pass(self, span: timedelta) -> None:
        """Everything that was is that much longer ago."""
        with connection.cursor() as cursor:
            parameters: dict[str, Any] = {"span": span}  # psycopg knows it, django-stubs does not
            cursor.execute(LET_PASS, parameters)

    def expire(self, lease: leases.Lease) -> None:
        held = Operation.objects.filter(pk=lease.operation_id, fence=lease.fence, state="running")
        held.update(lease_expires_at=Now() - timedelta(seconds=1))

    def ring_bells(self) -> None:
        """Do what was left for after the commit."""
        left, connection.run_on_commit = connection.run_on_commit, []
        for each in left:
            each[1]()

    # --- Interruptions ----------------------------------------------------------------------

    @contextmanager
    def interrupting(
        self, step: int, moment: Moment, nth: int, deed: Callable[[], None]
    ) -> Iterator[list[str]]:
        """Do the deed once, at that moment of one of the steps that are left of an operation.

        ``nth`` counts the changes within a step; one with fewer is interrupted once it is done.
        """
        where: list[str] = []
        target: list[str] = []
        within = 0

        def see(kind: str, name: str, now: Moment) -> None:
            nonlocal within
            if not target:
                names = [each.name for each in runner.FLOWS[kind].steps]
                left = names[names.index(name) :]
                target.append(left[step % len(left)])
            if name != target[0]:
                return
            within += now is Moment.WITHIN
            is_over = moment is Moment.WITHIN and now is Moment.DONE
            if is_over or (now is moment and (moment is not Moment.WITHIN or within > nth)):
                self._interruption = None
                where.extend((kind, name, now))
                deed()

        self._interruption = see
        try:
            yield where
        finally:
            self._interruption = None

    @contextmanager
    def changes_fail(self, nth: int, trouble: Exception) -> Iterator[None]:
        """The engine answers the n-th change with that, once."""
        left = [nth]

        def fail(line: str) -> None:
            left[0] -= 1
            if left[0] == -1:
                raise trouble

        quiet = self.engine.faults.before_change
        self.engine.faults.before_change = fail
        try:
            yield
        finally:
            self.engine.faults.before_change = quiet

    def reached(self, kind: str, step: str, moment: Moment) -> None:
        """Stands where a worker looks whether it is to end itself."""
        if moment is Moment.BEFORE:
            self._clock_offset = 0.0
        if self._interruption:
            self._interruption(kind, step, moment)

    # --- The server -------------------------------------------------------------------------

    def repair(self) -> None:
        """Nothing is wrong with the server any more."""
        self.engine.faults.is_unavailable = False
        self.engine.faults.unready_services = set()

    def objects(self) -> dict[str, Observed]:
        """All that the server holds, by the label that it carries, whether it answers or not."""
        faults = self.engine.faults
        was, faults.is_unavailable = faults.is_unavailable, False
        try:
            labels = self.engine.observe_all(settings.BERTH_OWNER)
            return {label: self.engine.observe(label) for label in labels}
        finally:
            faults.is_unavailable = was

    def meddle(self, label: str, deed: str) -> None:
        """Do that to what there is of the instance, if it can be done."""
        seen = self.objects().get(label, Observed(label))
        web = seen.service("web")
        if deed == "network":
            for name in seen.networks:
                self.engine.hands.remove_network(name)
        elif web is not None and web.state in DEEDS[deed][0]:
            DEEDS[deed][1](self.engine.hands, label, web)

    def add_alien(self, kind: ObjectKind, name: str, label: str) -> None:
        owner = settings.BERTH_OWNER
        self.engine.hands.add_stray(kind, name, owner=owner, instance=label)

    # --- What is listened to ----------------------------------------------------------------

    def claim(self, **wanted: Any) -> leases.Lease | None:
        lease = _claim(**wanted)
        if lease:
            self.claimed.append(lease)
        return lease

    def begin_step(self, *, lease: leases.Lease, name: str) -> None:
        _begin_step(lease=lease, name=name)
        self.begun[lease.operation_id, name] += 1
        assert not self.done[lease.operation_id, name], f"{name} was begun again"

    def end_step(self, *, lease: leases.Lease, name: str, done: bool) -> None:
        _end_step(lease=lease, name=name, done=done)
        self.done[lease.operation_id, name] += done

    def sleep(self, seconds: float) -> None:
        """A worker that waits for an app waits till the step's time is up."""
        self._clock_offset += 3600

    def monotonic(self) -> float:
        return time.monotonic() + self._clock_offset


def _disconnect(hands: Hands, label: str, web: ObservedService) -> None:
    for name in web.networks:
        hands.disconnect(label, "web", name)


RUNS = (ContainerState.RUNNING,)
ANY = tuple(ContainerState)
# What can be done by hand to the container of the service: in which states, and how.
DEEDS: dict[str, tuple[tuple[ContainerState, ...], Callable[[Hands, str, ObservedService], None]]]
DEEDS = {
    "kill": (RUNS, lambda hands, label, web: hands.kill(label, "web")),
    "oom": (RUNS, lambda hands, label, web: hands.kill(label, "web", oom=True)),
    "unhealthy": (RUNS, lambda hands, label, web: hands.make_unhealthy(label, "web")),
    "start": ((ContainerState.EXITED,), lambda hands, label, web: hands.start(label, "web")),
    "remove": (ANY, lambda hands, label, web: hands.remove_container(label, "web")),
    "rename": (ANY, lambda hands, label, web: hands.rename(label, "web", f"{web.container_name}-")),
    "limits": (ANY, lambda hands, label, web: hands.alter_limits(label, "web")),
    "policy": (ANY, lambda hands, label, web: hands.alter_restart_policy(label, "web")),
    "disconnect": (ANY, _disconnect),
}


_claim, _begin_step, _end_step = leases.claim, progress.begin, progress.end


def _server(name: str, supernet: str) -> Server:
    return Server.objects.create(
        name=name,
        engine=Server.EngineKind.MEMORY,
        endpoint=f"memory:{name}",
        cpus=Decimal(16),
        memory_mb=16 * 1024,
        disk_gb=500,
        supernet=supernet,
    )


def build(
    client: Client,
    plan: Plan,
    person: User,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    directory: Path,
) -> Stage:
    """A stage that everything in Berth is connected to until the test ends."""
    (directory / "single.yaml").write_text(APP)
    settings.BERTH_CATALOG_DIRS = [directory]
    settings.BERTH_LEASE = LEASE
    stage = Stage(client, plan, person)
    for module in (quarantine, reconcile, runner):
        monkeypatch.setattr(module.logger, "disabled", True)
    clock = SimpleNamespace(monotonic=stage.monotonic, sleep=stage.sleep)
    monkeypatch.setattr(base, "time", clock)
    monkeypatch.setattr(base, "reached", stage.reached)
    monkeypatch.setattr(engines, "_engine", lambda kind, endpoint, pid: stage.engine)
    monkeypatch.setattr(doorbell, "ring", lambda *, operation_id: stage.bells.append(operation_id))
    monkeypatch.setattr(doorbell, "ring_edge", lambda: None)
    monkeypatch.setattr(leases, "claim", stage.claim)
    monkeypatch.setattr(progress, "begin", stage.begin_step)
    monkeypatch.setattr(progress, "end", stage.end_step)
    stage.furnish()
    return stage
