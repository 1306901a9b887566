"""Everything at random for a while, and then: does everything hold?

The seed decides what is done to what and when. What comes of it depends on the machine's speed too,
so that the same seed gives the same blows and not always the same history.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Iterator

from hosting.models import ACTIVE_STATES, Instance, Operation
from tenants.errors import Refused
from tests.chaos import engine, evidence, fleet, inside, verdict
from tests.chaos.deeds import DEEDS, World
from tests.chaos.fleet import Fleet
from tests.chaos.installation import Installation
from tests.chaos.waiting import NotInTime, wait_until

LONGEST_PAUSE = 1.0  # seconds between two deeds
PATIENCE = 300.0  # seconds until everything is quiet again
_State = Instance.State


def main(made: Installation, options: argparse.Namespace) -> bool:
    """Do it; print what was done and what does not hold."""
    print(f"campaign with SEED={options.seed} MINUTES={options.minutes:g}", flush=True)
    parts = {"worker": made.worker(), "beat": made.beat(), "watch": made.watch()}
    world = World(made, Fleet.found(), parts)
    for part in parts.values():
        part.start()
    _wreak_havoc(world, random.Random(options.seed), options.minutes * 60)
    faults = verdict.tell(_everything_wrong(world))
    if faults:
        print(f"To do the same again: make chaos SEED={options.seed} MINUTES={options.minutes:g}")
    return not faults


def _everything_wrong(world: World) -> Iterator[str]:
    """What is not as it should be, from when the blows end until nothing is left."""
    yield from world.faults
    yield from _settle(world)
    yield from world.made.wrong_with_parts()
    yield from _wrong(world)
    yield from _delete_all(world)
    world.made.kill_all()
    yield from evidence.wrong_with_whole(world.made.owner, [engine.LOCAL])


def _wreak_havoc(world: World, dice: random.Random, seconds: float) -> None:
    """One deed after the other, each thrown for in the same way whatever came of the last."""
    done: Counter[str] = Counter()
    weights = [weight for weight, _ in DEEDS]
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        [(_, deed)] = dice.choices(DEEDS, weights)
        chance, pause = dice.random(), dice.random() * LONGEST_PAUSE
        said = deed(world, chance)
        if said:
            print(f"{seconds - (until - time.monotonic()):7.1f} s  {said}", flush=True)
            done[said.split()[0]] += 1
        time.sleep(pause)
    print(f"done: {dict(done.most_common())}; refused: {world.refused}")


def _settle(world: World) -> Iterator[str]:
    """Wait until nothing goes on and nothing is away any more."""
    began = time.monotonic()
    try:
        wait_until(lambda: _is_over(world), seconds=PATIENCE, what="everything is quiet", pause=2)
        print(f"quiet after {time.monotonic() - began:.0f} s")
    except NotInTime as late:
        yield str(late)
        yield from evidence.histories(Operation.objects.filter(state__in=ACTIVE_STATES))


def _is_over(world: World) -> bool:
    """Nothing to wait for: all is quiet, or a part has ended that would have to do it."""
    return any(world.made.wrong_with_parts()) or _is_quiet(world)


def _is_quiet(world: World) -> bool:
    """Twice in a row, a moment apart: a repair may just be about to be asked for."""
    for _ in range(2):
        time.sleep(1)
        if Operation.objects.filter(state__in=ACTIVE_STATES).exists():
            return False
        if any(True for each in world.alive() for _ in _wrong_with_instance(world, each)):
            return False
    return True


def _wrong(world: World) -> Iterator[str]:
    """What does not hold, once everything had its time."""
    states = Counter(Operation.objects.values_list("state", flat=True))
    kinds = Counter(Operation.objects.values_list("kind", flat=True))
    print(f"operations: {dict(kinds)}, {dict(states)}")
    print(f"instances: {dict(Counter(Instance.objects.values_list('state', flat=True)))}")
    for reason, number in _reasons_of_failure().items():
        print(f"failed {number}: {reason}")
    known = set(Operation.objects.values_list("pk", flat=True))
    yield from (
        f"{each.pk} was accepted and is gone" for each in world.accepted if each.pk not in known
    )
    for operation in Operation.objects.select_related("instance__client"):
        if operation.state == Operation.State.FAILED and not operation.reason:
            yield f"{operation} failed without a reason"
        yield from (f"{operation}: {fault}" for fault in evidence.wrong_with_audit(operation))
    for instance in Instance.objects.select_related("client", "server"):
        yield from (f"{instance}: {f}" for f in _wrong_with_instance(world, instance))


def _wrong_with_instance(world: World, instance: Instance) -> Iterator[str]:
    """By the state that Berth says it is in."""
    if instance.state == _State.DELETED:
        yield from evidence.wrong_with_traces(instance)
        yield from evidence.wrong_with_objects(instance)
        return
    secrets = inside.secrets_of(instance)
    if world.secrets.setdefault(instance, secrets) != secrets:
        yield "its secrets changed"
    if instance.state == _State.RUNNING:
        faults = [*evidence.wrong_with_objects(instance)]
        yield from faults
        if not faults:
            yield from _wrong_inside(world, instance)
    elif instance.state in (_State.STOPPED, _State.FAILED):
        yield from evidence.surplus_objects(instance, may_run=instance.state == _State.FAILED)
    else:
        yield f"it is {instance.state}: {instance.state_reason}"


def _wrong_inside(world: World, instance: Instance) -> Iterator[str]:
    try:
        seen = inside.look(instance)
        account = seen.keepsake.account
        if world.accounts.setdefault(instance, account) != account:
            yield "it opened another account: its data was lost"
        yield from seen.wrong_with_secrets()
    except AssertionError as error:
        yield str(error)


def _reasons_of_failure() -> Counter[str]:
    failed = Operation.objects.filter(state=Operation.State.FAILED)
    return Counter(f"{each.kind}: {each.reason}" for each in failed)


def _refusing(refused: dict[Instance, str]) -> dict[Instance, str]:
    """Ask for the deletion of each; those that are still busy stay, with what was said."""
    for instance in list(refused):
        try:
            fleet.ask(instance, Operation.Kind.DELETE)
        except Refused as refusal:
            refused[instance] = str(refusal)
        else:
            del refused[instance]
    return refused


def _delete_all(world: World) -> Iterator[str]:
    """In the end everybody leaves, and nothing may stay behind."""
    refused = dict.fromkeys(world.alive(), "not asked")
    try:
        wait_until(lambda: not _refusing(refused), seconds=60, what="all may be deleted", pause=1)
    except NotInTime as late:
        yield from (str(late), *refused.values())
    try:
        wait_until(lambda: not world.alive(), seconds=PATIENCE, what="all are deleted", pause=1)
    except NotInTime as late:
        yield str(late)
        yield from evidence.histories(Operation.objects.filter(state__in=ACTIVE_STATES))
    for instance in Instance.objects.select_related("client", "server"):
        yield from (f"{instance}: {f}" for f in evidence.wrong_with_objects(instance))
    if engine.held_by(engine.LOCAL, world.made.owner) != engine.Holding():
        yield "something is left on the engine"
