"""What must hold at any moment of a history, and at its end."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, fields
from typing import Any

from django.db import connection

from hosting.engines.drift import Expected, compare, compare_stopped
from hosting.engines.observed import ContainerState, Observed
from hosting.flows.working import runner
from hosting.models import Incident, Instance, Server, Stray
from tenants.selectors import audit_chain
from tests.hosting.flows.histories.stage import ALIEN, Stage

# From which states a person may ask for what; said here once more, apart from Berth's own table.
MAY_ASK = {
    "provision": {"new", "failed", "degraded"},
    "start": {"stopped"},
    "stop": {"running", "degraded", "failed"},
    "restart": {"running", "degraded", "failed"},
    "delete": {"new", "running", "stopped", "degraded", "failed"},
}
ONLY_ONCE_IT_RAN = {"start", "stop", "restart"}
BRINGS_UP = {"provision", "start", "restart"}
ACTIVE = {"queued", "running"}
LOOK = """
SELECT 'server', json_build_array(availability, retry_at IS NOT NULL) FROM hosting_server
 WHERE id = %(server)s
UNION ALL (
SELECT 'instance', json_build_array(
    i.id, i.state, i.delete_requested_at IS NOT NULL, i.first_running_at IS NOT NULL,
    (SELECT md5(string_agg(s.name || s.value, ' ' ORDER BY s.name))
       FROM hosting_instancesecret s WHERE s.instance_id = i.id),
    (SELECT count(*) FROM hosting_hostname h WHERE h.instance_id = i.id),
    (SELECT n.index FROM hosting_subnet n WHERE n.instance_id = i.id))
  FROM hosting_instance i WHERE i.server_id = %(server)s ORDER BY i.created_at)
UNION ALL (
SELECT 'operation', json_build_array(
    o.id, o.instance_id, o.kind, o.state, o.reason, o.fence, o.attempt,
    coalesce(o.lease_expires_at > statement_timestamp(), false),
    CASE o.state WHEN 'queued' THEN o.run_after <= statement_timestamp()
                 WHEN 'running' THEN o.lease_expires_at <= statement_timestamp()
                 ELSE false END,
    (SELECT count(*) FROM tenants_auditevent a WHERE a.after ->> 'operation' = o.id::text
        AND a.action IN ('operation.succeeded', 'operation.failed', 'operation.cancelled')),
    (SELECT coalesce(json_agg(json_build_array(p.position, p.name, p.state) ORDER BY p.position),
                     '[]') FROM hosting_operationstep p WHERE p.operation_id = o.id))
  FROM hosting_operation o JOIN hosting_instance i ON i.id = o.instance_id
 WHERE i.server_id = %(server)s ORDER BY o.requested_at)
"""


@dataclass(frozen=True, slots=True)
class InstanceFact:
    pk: uuid.UUID
    state: str
    is_delete_requested: bool
    has_run: bool
    secrets: str | None
    hostnames: int
    subnet: int | None


@dataclass(frozen=True, slots=True)
class OperationFact:
    pk: uuid.UUID
    instance: uuid.UUID
    kind: str
    state: str
    reason: str
    fence: int
    attempt: int
    is_held: bool
    is_due: bool
    endings: int
    steps: tuple[tuple[int, str, str], ...]

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    @property
    def has_begun(self) -> bool:
        return any(state != "pending" for _, _, state in self.steps)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the database says of one server, read in one query."""

    rows: tuple[Any, ...]
    availability: str
    is_silent: bool
    instances: tuple[InstanceFact, ...]
    operations: tuple[OperationFact, ...]

    @classmethod
    def read(cls, stage: Stage) -> Facts:
        with connection.cursor() as cursor:
            cursor.execute(LOOK, {"server": stage.server_id})
            rows = tuple(cursor.fetchall())
        of = {
            kind: [row for name, row in rows if name == kind]
            for kind in ("server", "instance", "operation")
        }
        availability, is_silent = of["server"][0]
        return cls(
            rows=rows,
            availability=availability,
            is_silent=is_silent,
            instances=tuple(InstanceFact(uuid.UUID(row[0]), *row[1:]) for row in of["instance"]),
            operations=tuple(_operation(row) for row in of["operation"]),
        )

    @property
    def active(self) -> tuple[OperationFact, ...]:
        return tuple(each for each in self.operations if each.is_active)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is left that Berth would do by itself."""
        is_calm = all(each.state != "degraded" for each in self.instances)
        return is_calm and not self.active and self.availability == Server.Availability.OPEN

    def pick(self, which: int) -> InstanceFact:
        return self.instances[which % len(self.instances)]

    def instance(self, pk: uuid.UUID) -> InstanceFact | None:
        return next((each for each in self.instances if each.pk == pk), None)

    def operation(self, pk: uuid.UUID) -> OperationFact | None:
        return next((each for each in self.operations if each.pk == pk), None)


def _operation(row: list[Any]) -> OperationFact:
    names = (each.name for each in fields(OperationFact))
    fact: dict[str, Any] = dict(zip(names, row, strict=True))
    fact["pk"], fact["instance"] = uuid.UUID(fact["pk"]), uuid.UUID(fact["instance"])
    fact["steps"] = tuple(tuple(each) for each in fact["steps"])
    return OperationFact(**fact)


def server_refusal(facts: Facts) -> str | None:
    """Why nothing can be ordered, if so."""
    return None if facts.availability == "open" else "No server is open for new instances."


def refusal(facts: Facts, instance: InstanceFact, kind: str) -> str | None:
    """The one reason for which a person is to be refused that, if there is one."""
    busy = [each for each in facts.active if each.instance == instance.pk]
    if busy and not (busy[0].kind == "repair" and busy[0].state == "queued"):
        return "is busy: "
    is_possible = instance.state in MAY_ASK[kind]
    if kind in ONLY_ONCE_IT_RAN:
        is_possible = is_possible and instance.has_run
    if instance.is_delete_requested:
        is_possible = is_possible and kind == "delete"
    if not is_possible:
        return "is not possible now"
    if facts.availability == "draining" and kind in BRINGS_UP:
        return "is being emptied for maintenance"
    return None


def check(stage: Stage, before: Facts, now: Facts) -> None:
    """What holds at any moment; ``before`` is how it was before the last rule."""
    busy = Counter(each.instance for each in now.active)
    assert all(count == 1 for count in busy.values()), "two active operations on one instance"
    for operation in now.operations:
        if operation != before.operation(operation.pk):
            _check_operation(operation)
            _check_cancelled(operation, before, now)
    twice = [key for key, count in stage.done.items() if count > 1]
    assert not twice, f"done twice: {twice}"
    objects = stage.objects()
    for instance in now.instances:
        _check_instance(instance, before.instance(instance.pk), objects)
    living = {str(each.pk) for each in now.instances if each.state != "deleted"}
    orphans = {label: _own(seen) for label, seen in objects.items() if label not in living}
    assert not any(orphans.values()), f"orphans: {orphans}"


def _check_operation(operation: OperationFact) -> None:
    states = "".join({"done": "D", "pending": "P"}.get(each[2], "R") for each in operation.steps)
    assert states == "D" * states.count("D") + "R" * ("R" in states) + "P" * states.count("P")
    if operation.steps:
        names = [each.name for each in runner.FLOWS[operation.kind].steps]
        assert [each[:2] for each in operation.steps] == list(enumerate(names))
    assert operation.endings == (0 if operation.is_active else 1), operation
    assert operation.reason or operation.state not in ("failed", "cancelled"), operation
    if operation.state == "succeeded":
        assert states == "D" * len(runner.FLOWS[operation.kind].steps)
    if not operation.is_active:
        running = [name for _, name, state in operation.steps if state == "running"]
        assert not running, f"{operation.kind} is {operation.state}, but {running} still runs"


def _check_cancelled(operation: OperationFact, before: Facts, now: Facts) -> None:
    """What never began leaves the instance as it was; a new one has failed to come up."""
    was = before.instance(operation.instance)
    is_new_ending = operation.state == "cancelled" and was is not None
    if is_new_ending and was and not operation.has_begun and was.state != "new":
        is_now = now.instance(operation.instance)
        assert is_now == was, "called off before it began, yet it changed"


def _check_instance(
    instance: InstanceFact, before: InstanceFact | None, objects: dict[str, Observed]
) -> None:
    if instance.state == "deleted":
        assert (instance.secrets, instance.hostnames, instance.subnet) == (None, 0, None)
        left = _own(objects.get(str(instance.pk), Observed("")))
        assert not left, f"deleted, but the server holds {left}"
    elif instance.secrets is None:
        assert instance.is_delete_requested, "its secrets are gone"
    elif before is not None:
        assert instance.secrets == before.secrets, "its secrets changed"
    if before is not None and before.state == "deleted":
        assert instance.state == "deleted", "it came back from the dead"


def _own(seen: Observed) -> list[str]:
    """What Berth made of it: all but the objects that were put there by hand."""
    names = (*(each.container_name for each in seen.services), *seen.networks, *seen.volumes)
    return [name for name in names if not name.startswith(ALIEN)]


def check_settled(stage: Stage, facts: Facts) -> None:
    """What holds once everything answered for long enough."""
    assert not facts.active, f"not ended: {facts.active}"
    objects = stage.objects()
    expected = dict(Instance.objects.values_list("pk", "expected"))
    for instance in facts.instances:
        seen = objects.get(str(instance.pk), Observed(str(instance.pk)))
        if instance.state == "running":
            assert compare(Expected.load(expected[instance.pk]), seen) == ()
        if instance.state == "stopped":
            assert compare_stopped(Expected.load(expected[instance.pk]), seen) == ()
    living = {str(each.pk) for each in facts.instances if each.state != "deleted"}
    _check_strays({label: seen for label, seen in objects.items() if label not in living})
    _check_incidents(facts)
    verdict = audit_chain.verify()
    assert verdict.problem is None, verdict.problem


def _check_strays(unclaimed: dict[str, Observed]) -> None:
    known = set(Stray.objects.filter(ended_at=None).values_list("name", flat=True))
    for seen in unclaimed.values():
        for container in seen.services:
            assert container.state is ContainerState.EXITED, f"{container} was not stopped"
            assert not container.networks, f"{container} was not cut off"
        names = {*(each.container_name for each in seen.services), *seen.networks, *seen.volumes}
        assert names <= known, f"not reported: {names - known}"


def _check_incidents(facts: Facts) -> None:
    going_on = set(Incident.objects.filter(closed_at=None).values_list("kind", flat=True))
    assert going_on <= {Incident.Kind.STRAY_OBJECTS}, going_on
    assert facts.availability == Server.Availability.OPEN
    assert not facts.is_silent
