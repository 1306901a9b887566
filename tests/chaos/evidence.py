"""What has to be true of an instance and its operations, as sentences on what is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_network

from django.utils import timezone

from hosting.engines.docker.spec import container_name, needs_secrets_volume, secrets_volume
from hosting.engines.wanted import Stack
from hosting.flows import stacks
from hosting.flows.saving import repositories
from hosting.flows.saving.snapshots import tag, written_of
from hosting.flows.working import runner
from hosting.models import Backup, Footing, Instance, Operation, OperationStep, Subnet
from hosting.selectors import moves
from tenants.models import AuditEvent
from tenants.selectors import audit_chain
from tests.chaos import engine
from tests.chaos.engine import Container, Holding, Network

RUNS, STANDS = "running", "exited"


def expected(stack: Stack, state: str) -> Holding:
    """What the engine holds of a stack that is as it should be."""
    containers = (
        Container(container_name(stack.project, each.name), each.name, each.spec_hash(), state)
        for each in stack.services
    )
    networks = (Network(each.name, each.subnet, each.internal) for each in stack.networks)
    secret = (
        secrets_volume(stack.project, each.name)
        for each in stack.services
        if needs_secrets_volume(each)
    )
    return Holding(
        containers=tuple(sorted(containers)),
        networks=tuple(sorted(networks)),
        volumes=tuple(sorted([*(each.name for each in stack.volumes), *secret])),
    )


def wrong_with_objects(instance: Instance) -> Iterator[str]:
    """The engine holds exactly what the instance's state says: no more, no less, no doubles."""
    held = engine.held(instance.server.endpoint, str(instance.pk), f"{instance.project}-")
    wanted = Holding()
    if instance.state != Instance.State.DELETED:
        state = STANDS if instance.state == Instance.State.STOPPED else RUNS
        wanted = with_kept(instance, expected(stacks.build(instance), state))
    for what in ("containers", "networks", "volumes"):
        there, due = Counter(getattr(held, what)), Counter(getattr(wanted, what))
        yield from (f"the engine lacks {each}" for each in (due - there).elements())
        yield from (f"the engine has {each} too much" for each in (there - due).elements())


def with_kept(instance: Instance, holding: Holding) -> Holding:
    """And the volumes of before a restore, as long as they are kept."""
    known = {
        each
        for past in (moves.restores_of(instance), moves.upgrades_of(instance))
        for move in past.exclude(kept_until=None)
        for each in (move.from_generation, move.to_generation)
    }
    gone = moves.dispensable_generations(instance=instance, now=timezone.now())
    kept = [
        volume.name
        for generation in sorted(known - {instance.generation, *gone})
        for volume in stacks.build(
            replace(Footing.of(instance), generation=generation).carrying(instance)
        ).volumes
    ]
    return replace(holding, volumes=tuple(sorted([*holding.volumes, *kept])))


def surplus_objects(instance: Instance, *, may_run: bool) -> Iterator[str]:
    """Of one that does not run: parts may be missing, but nothing is there that is not its own."""
    held = engine.held(instance.server.endpoint, str(instance.pk), f"{instance.project}-")
    whole = with_kept(instance, expected(stacks.build(instance), STANDS))
    names = Counter(held.names)
    yield from (f"the engine has {each} too much" for each in names - Counter(whole.names))
    for container in held.containers:
        if container.state == RUNS and not may_run:
            yield f"{container.name} runs"


def wrong_with_operation(operation: Operation) -> Iterator[str]:
    """It succeeded, each step once and in order, and the log says so once."""
    flow = runner.FLOWS[operation.kind]
    if operation.state != Operation.State.SUCCEEDED:
        yield f"{operation.kind} is {operation.state}: {operation.reason}"
    if flow.state_after(operation.instance) not in (None, operation.instance.state):
        yield f"the instance is {operation.instance.state} after {operation.kind}"
    steps = list(operation.steps.order_by("position"))
    if [each.name for each in steps] != [each.name for each in flow.steps]:
        yield f"its steps are {', '.join(each.name for each in steps)}"
    for step in steps:
        if step.state != OperationStep.State.DONE or step.finished_at is None:
            yield f"its step {step.name} is {step.state}"
    yield from wrong_with_result(operation)
    yield from wrong_with_audit(operation)


def wrong_with_result(operation: Operation) -> Iterator[str]:
    """What it leaves beside an instance."""
    if operation.kind == Operation.Kind.BACKUP:
        yield from wrong_with_backup(operation.backup)
    if operation.kind == Operation.Kind.RESTORE_TEST:
        test = operation.instance.restore_test
        if not test.passed or not all(each["fits"] for each in test.checks.values()):
            yield f"the test of the backup did not pass: {test.reason}, {test.checks}"
    if operation.kind == Operation.Kind.REHEARSAL and not operation.instance.rehearsal.passed:
        yield f"the rehearsal did not pass: {operation.instance.rehearsal.reason}"
    if operation.kind == Operation.Kind.UPGRADE:
        there, wanted = operation.instance.version, operation.upgrade.to_version
        yield from [f"the instance is at version {there}"] if there != wanted else []


def wrong_with_backup(backup: Backup) -> Iterator[str]:
    """It is proven, and the repository holds what Berth knows of it, once."""
    if not backup.is_good:
        yield "the backup is not proven"
    stored = repositories.primary(backup.instance).snapshots(tags=[tag(backup)])
    there = sorted((each.id, each.path) for each in stored)
    if there != sorted((each.snapshot, each.path) for each in written_of(backup)):
        yield f"the repository holds {there} of the backup"


def wrong_with_audit(operation: Operation) -> Iterator[str]:
    """One event for the asking, one for the end, and none for another end."""
    events = AuditEvent.objects.filter(after__operation=str(operation.pk))
    said = Counter(events.values_list("action", flat=True))
    said.pop("operation.cancel_requested", None)
    wanted = {f"instance.{operation.kind}_requested", f"operation.{operation.state}"}
    if said != Counter(wanted):
        yield f"the audit log has {dict(said)} of {operation.kind}"


def wrong_with_traces(instance: Instance) -> Iterator[str]:
    """Nothing that a deleted instance held in Berth is left."""
    for name in ("hostnames", "secrets"):
        if getattr(instance, name).exists():
            yield f"it still has {name}"
    if Subnet.objects.filter(instance=instance).exists():
        yield "it still has a subnet"


def wrong_with_whole(owner: str, endpoints: Iterable[str]) -> Iterator[str]:
    """Nothing on the engines is nobody's, no subnet is given twice, the audit log is whole."""
    alive = Instance.objects.exclude(state=Instance.State.DELETED)
    projects = [f"{each.project}-" for each in alive.select_related("client")]
    for endpoint in endpoints:
        holding = engine.held_by(endpoint, owner)
        for name in holding.names:
            if not name.startswith(tuple(projects)):
                yield f"{name} belongs to no instance"
        yield from _overlaps([ip_network(each.subnet) for each in holding.networks])
    verdict = audit_chain.verify()
    if verdict.problem:
        yield verdict.problem


def histories(operations: Iterable[Operation]) -> Iterator[str]:
    """For a person who wants to know why: how far each came, and what it said."""
    for each in operations:
        head = (
            f"{each.kind} of {each.instance}: {each.state}, attempt {each.attempt},"
            f" asked for at {each.requested_at}, due at {each.run_after},"
            f" leased to {each.worker or 'nobody'} until {each.lease_expires_at}"
        )
        steps = each.steps.exclude(state=OperationStep.State.PENDING)
        said = [f"    {step.name}: {step.state}: {step.output.strip()!r}" for step in steps]
        held = engine.held(
            each.instance.server.endpoint, str(each.instance_id), each.instance.project
        )
        shown = [f"    {container.name} is {container.state}" for container in held.containers]
        yield "\n".join([f"{head}: {each.reason}", *said, *shown])


def _overlaps(networks: list[IPv4Network | IPv6Network]) -> Iterator[str]:
    for index, one in enumerate(networks):
        for other in networks[index + 1 :]:
            if one.overlaps(other):
                yield f"{one} and {other} overlap"
