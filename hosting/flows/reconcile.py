"""Comparing what a server runs with what it should run, and putting right what differs.

A round asks the engine for everything under this installation's label in one list call a kind, and
compares it with the database both ways. What the list makes suspicious is looked at once more,
container by container, before anything is done about it: a list may catch a container in the blink
between its end and its restart. An instance that an operation works on is left to it.
"""

from __future__ import annotations

import logging
import math
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from hosting.engines.base import Engine, EngineError, EngineUnavailable, Health, Observed
from hosting.engines.drift import Expected, Finding, Kind, compare, compare_stopped
from hosting.flows import diagnosis, firewall, quarantine, stack, stacks
from hosting.flows.engines import engine_for
from hosting.models import Drift, Instance, Operation, Server
from hosting.services import breaker, instances, repairs, servers

logger = logging.getLogger(__name__)

EVERY = timedelta(seconds=30)
CLOSER_LOOKS = 50  # containers a round, in turn: some changes show in no list
RESTARTS_THAT_MAKE_A_LOOP = 5
WELL_FOR = timedelta(minutes=1)  # a degraded instance is well once nothing was found for so long
CLOCKS_DIFFER_BY = timedelta(seconds=2)

Deaths = Mapping[str, Collection[str]]
"""Instance -> services that were seen to die again and again."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round saw."""

    instances: int
    drifted: int


def whole(server: Server) -> Round | None:
    """One round over everything on the server; None where it does not answer."""
    began = timezone.now() - CLOCKS_DIFFER_BY
    engine = engine_for(server)
    try:
        capacity = engine.capacity()
        observed = engine.observe_all(settings.BERTH_OWNER)
    except EngineUnavailable as error:
        breaker.record_silence(server=server, error=str(error))
        return None
    breaker.record_answer(server=server)
    servers.record_disk(server=server, capacity=capacity)
    firewall.guard(server)
    found = list(repairs.instances_on(server=server, undisturbed_since=began))
    closer = _due_for_a_closer_look(observed, began)
    try:
        drifted = sum(
            _reconcile(engine, each, observed, {}, is_closer=str(each.pk) in closer)
            for each in found
        )
        quarantine.look(server, engine, observed, supervised={str(each.pk) for each in found})
    except EngineUnavailable as error:
        breaker.record_silence(server=server, error=str(error))
        return None
    servers.record_round(server=server)
    return Round(instances=len(found), drifted=drifted)


def some(server: Server, wanted: Collection[str], deaths: Deaths) -> None:
    """A closer look at these instances alone, because something happened to them."""
    began = timezone.now() - CLOCKS_DIFFER_BY
    engine = engine_for(server)
    found = repairs.instances_on(server=server, undisturbed_since=began)
    try:
        for each in found.filter(pk__in=wanted):
            _reconcile(engine, each, {}, deaths, is_closer=True)
    except EngineUnavailable as error:
        breaker.record_silence(server=server, error=str(error))


def _reconcile(
    engine: Engine,
    instance: Instance,
    observed: Mapping[str, Observed],
    deaths: Deaths,
    *,
    is_closer: bool,
) -> bool:
    """Compare one instance, and do what it needs; whether it had drifted.

    An engine that can't tell about this one says so in the log; the others are looked at all the
    same, and this one in the next round.
    """
    pk = str(instance.pk)
    try:
        expected = _expected(instance)
        findings = () if is_closer else _compare(instance, expected, observed.get(pk, Observed(pk)))
        if findings or is_closer:
            seen = engine.observe(pk)
            findings = (*_compare(instance, expected, seen), *_loops(deaths.get(pk, ())))
            if findings:
                _answer(engine, instance, findings, seen)
                return True
        else:
            seen = observed.get(pk, Observed(pk))
        _all_is_well(instance, seen)
    except EngineUnavailable:
        raise
    except EngineError as error:
        logger.warning("instance %s could not be compared: %s", pk, error)
    return False


def _compare(instance: Instance, expected: Expected, seen: Observed) -> tuple[Finding, ...]:
    stopped = instance.state == Instance.State.STOPPED
    return compare_stopped(expected, seen) if stopped else compare(expected, seen)


def _answer(
    engine: Engine, instance: Instance, findings: tuple[Finding, ...], seen: Observed
) -> None:
    """Write down what was found, and do the one thing that fits."""
    lost = [each.subject for each in findings if each.kind is Kind.VOLUME_MISSING]
    if lost:
        done = "Nothing: an empty volume in its place would hide that the data is lost."
        repairs.note(instance=instance, findings=findings, done=done)
        repairs.degrade(instance=instance, reason=stack.missing_data(lost))
    elif instance.state == Instance.State.STOPPED:
        repairs.note(instance=instance, findings=findings, done="Stopped again.")
        repairs.request_repair(instance=instance, kind=Operation.Kind.STOP)
    elif {each.kind for each in findings} == {Kind.LOOPING}:
        _watch_loop(engine, instance, findings, seen)
    else:
        _repair(engine, instance, findings, seen)


def _watch_loop(
    engine: Engine, instance: Instance, findings: tuple[Finding, ...], seen: Observed
) -> None:
    """The engine restarts what ends, ever later; Berth says so once that has not helped."""
    repairs.note(
        instance=instance, findings=findings, done="The engine starts it again, ever later."
    )
    counts = [service.restarts or 0 for service in seen.services]
    looping = [each.subject for each in findings]
    hopeless = max(counts, default=0) >= RESTARTS_THAT_MAKE_A_LOOP
    if hopeless or any(each.text == DIES_AGAIN.format(each.subject) for each in findings):
        reason = diagnosis.explain(
            engine=engine, instance=instance, findings=findings, observed=seen
        )
        repairs.degrade(instance=instance, reason=reason)
        logger.warning("instance %s: %s keep ending", instance.pk, ", ".join(looping))


def _repair(
    engine: Engine, instance: Instance, findings: tuple[Finding, ...], seen: Observed
) -> None:
    """Have it put right: at once the first time, ever later after that."""
    now = timezone.now()
    if instance.repairs >= repairs.ATTEMPTS:
        reason = diagnosis.explain(
            engine=engine, instance=instance, findings=findings, observed=seen
        )
        repairs.degrade(instance=instance, reason=reason)
    if instance.repair_after and now < instance.repair_after:
        tried = f"Repaired {instance.repairs} times in a row; the next attempt comes later."
        repairs.note(instance=instance, findings=findings, done=tried)
        return
    repairs.note(instance=instance, findings=findings, done="Repaired.")
    repairs.request_repair(instance=instance, kind=Operation.Kind.REPAIR)


def _all_is_well(instance: Instance, seen: Observed) -> None:
    """Settle what had been found; take a degraded instance back once it has held for a while."""
    now = timezone.now()
    open_drifts: list[Drift] = instance.open_drifts  # type: ignore[attr-defined]
    if open_drifts:
        repairs.note(instance=instance, findings=(), done="")
    if instance.state == Instance.State.DEGRADED and _has_held(instance, seen, now):
        repairs.recover(instance=instance)
    if repairs.is_well_again(instance=instance, now=now):
        repairs.forget(instance=instance)


def _has_held(instance: Instance, seen: Observed, now: datetime) -> bool:
    if any(each.health is Health.STARTING for each in seen.services):
        return False
    return not instance.drifts.filter(last_seen_at__gt=now - WELL_FOR).exists()


DIES_AGAIN = "{} keeps ending soon after it was started"


def _loops(services: Collection[str]) -> tuple[Finding, ...]:
    return tuple(Finding(Kind.LOOPING, name, DIES_AGAIN.format(name)) for name in sorted(services))


def _expected(instance: Instance) -> Expected:
    """What was written down when the stack was applied; built anew where that was never done."""
    if not instance.expected:
        expected = Expected.of(stacks.build(instance)).dump()
        instances.record_expected(instance=instance, expected=expected)
    return Expected.load(instance.expected)


def _due_for_a_closer_look(observed: Mapping[str, Observed], now: datetime) -> frozenset[str]:
    """The instances whose turn it is, so that each has one every so many rounds."""
    containers = sum(len(each.services) for each in observed.values())
    rounds = max(1, math.ceil(containers / CLOSER_LOOKS))
    number = int(now.timestamp() / EVERY.total_seconds())
    return frozenset(
        each for each in observed if (zlib.crc32(each.encode()) - number) % rounds == 0
    )
