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
from django.db import Error as DatabaseError
from django.db.models import Q
from django.utils import timezone

from hosting.engines.base import Engine
from hosting.engines.drift import Expected, Finding, Kind, compare, compare_stopped
from hosting.engines.errors import EngineError, EngineUnavailable
from hosting.engines.observed import Health, Observed
from hosting.flows import stacks
from hosting.flows.engines import engine_for
from hosting.flows.running import firewall, stack
from hosting.flows.watching import diagnosis, quarantine
from hosting.models import Drift, Instance, Operation, Server
from hosting.services import instances, repairs, servers
from hosting.services.working import breaker

logger = logging.getLogger(__name__)

EVERY = timedelta(seconds=30)
CLOSER_LOOKS = 50  # containers every 30 s, in turn: some changes show in no list
MOST_TURNS_AT_ONCE = 4  # of those that are due where rounds were late or left out
RESTARTS_THAT_MAKE_A_LOOP = 5
WELL_FOR = timedelta(minutes=1)  # a degraded instance is well once nothing was found for so long
QUIET_FOR = timedelta(minutes=5)  # and this long for one that kept ending: it runs in between, too
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
    except EngineError as error:  # too slow to list what it runs is as good as silent
        breaker.record_silence(server=server, error=str(error))
        return None
    breaker.record_answer(server=server)
    servers.record_disk(server=server, capacity=capacity)
    firewall.guard(server)
    found = list(repairs.instances_on(server=server, undisturbed_since=began))
    closer = _due_for_a_closer_look(observed, since=server.reconciled_at, now=began)
    try:
        drifted = sum(
            _reconcile(engine, each, observed, {}, is_closer=str(each.pk) in closer, seen_at=began)
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
        for each in found.filter(pk__in=repairs.uuids(wanted)):
            _reconcile(engine, each, {}, deaths, is_closer=True, seen_at=began)
    except EngineUnavailable as error:
        breaker.record_silence(server=server, error=str(error))


def _reconcile(
    engine: Engine,
    instance: Instance,
    observed: Mapping[str, Observed],
    deaths: Deaths,
    *,
    is_closer: bool,
    seen_at: datetime,
) -> bool:
    """Compare one instance, and do what it needs; whether it had drifted.

    What goes wrong with this one is said in the log; the others are looked at all the same, and
    this one in the next round.
    """
    pk = str(instance.pk)
    try:
        expected = _expected(instance)
        seen = observed.get(pk, Observed(pk))
        if is_closer or _compare(instance, expected, seen):
            seen_at = timezone.now() - CLOCKS_DIFFER_BY
            seen = engine.observe(pk)
            findings = _compare(instance, expected, seen, deaths.get(pk, ()))
            findings = tuple(each for each in findings if not _is_over(engine, instance, each))
            if findings:
                _answer(engine, instance, findings, seen, seen_at)
                return True
        _all_is_well(instance, seen, seen_at)
    except (EngineUnavailable, DatabaseError):
        raise
    except EngineError as error:
        logger.warning("instance %s could not be compared: %s", pk, error)
    except Exception:
        logger.exception("instance %s could not be compared", pk)
    return False


def _compare(
    instance: Instance, expected: Expected, seen: Observed, dying: Collection[str] = ()
) -> tuple[Finding, ...]:
    if instance.state == Instance.State.STOPPED:
        return compare_stopped(expected, seen)
    return (*compare(expected, seen), *_loops(expected.services.keys() & set(dying)))


def _is_over(engine: Engine, instance: Instance, finding: Finding) -> bool:
    """Whether what is called unhealthy is well when it is asked now.

    The engine's word is as old as its last check, and after a pause it calls everything unhealthy
    until the next one. An app is not restarted for that.
    """
    if finding.kind is not Kind.UNHEALTHY:
        return False
    try:
        return engine.is_ready(stacks.build(instance), finding.subject)
    except EngineUnavailable:
        raise
    except EngineError:
        return False


def _answer(
    engine: Engine,
    instance: Instance,
    findings: tuple[Finding, ...],
    seen: Observed,
    seen_at: datetime,
) -> None:
    """Write down what was found, and do the one thing that fits."""
    lost = [each.subject for each in findings if each.kind is Kind.VOLUME_MISSING]
    if lost:
        done = "Nothing: an empty volume in its place would hide that the data is lost."
        repairs.note(instance=instance, findings=findings, done=done)
        repairs.degrade(instance=instance, reason=stack.missing_data(lost), seen_at=seen_at)
    elif instance.state == Instance.State.STOPPED:
        _put_right(instance, findings, Operation.Kind.STOP)
    elif {each.kind for each in findings} == {Kind.LOOPING}:
        _watch_loop(engine, instance, findings, seen, seen_at)
    else:
        _repair(engine, instance, findings, seen, seen_at)


def _watch_loop(
    engine: Engine,
    instance: Instance,
    findings: tuple[Finding, ...],
    seen: Observed,
    seen_at: datetime,
) -> None:
    """The engine restarts what ends, ever later; Berth says so once that has not helped."""
    repairs.note(
        instance=instance, findings=findings, done="The engine starts it again, ever later."
    )
    looping = [each.subject for each in findings]
    counts = [each.restarts or 0 for each in seen.services if each.name in looping]
    hopeless = max(counts, default=0) >= RESTARTS_THAT_MAKE_A_LOOP
    if hopeless or any(each.text == DIES_AGAIN.format(each.subject) for each in findings):
        _degrade(engine, instance, findings, seen, seen_at)
        logger.warning("instance %s: %s keep ending", instance.pk, ", ".join(looping))


def _repair(
    engine: Engine,
    instance: Instance,
    findings: tuple[Finding, ...],
    seen: Observed,
    seen_at: datetime,
) -> None:
    """Have it put right, and say so to a person where that keeps not holding."""
    if instance.repairs >= repairs.ATTEMPTS:
        _degrade(engine, instance, findings, seen, seen_at)
    _put_right(instance, findings, Operation.Kind.REPAIR)


def _degrade(
    engine: Engine,
    instance: Instance,
    findings: tuple[Finding, ...],
    seen: Observed,
    seen_at: datetime,
) -> None:
    """Say to a person that it does not come back by itself, and the likely cause."""
    reason = diagnosis.explain(engine=engine, instance=instance, findings=findings, observed=seen)
    repairs.degrade(instance=instance, reason=reason, seen_at=seen_at)


def _put_right(instance: Instance, findings: tuple[Finding, ...], kind: Operation.Kind) -> None:
    """Ask for the operation: at once the first time, ever later after that."""
    if instance.repair_after and timezone.now() < instance.repair_after:
        times = "once" if instance.repairs == 1 else f"{instance.repairs} times in a row"
        tried = f"Put right {times}; the next attempt comes later."
        repairs.note(instance=instance, findings=findings, done=tried)
        return
    repairs.note(instance=instance, findings=findings, done="")
    repairs.request_repair(instance=instance, kind=kind)


def _all_is_well(instance: Instance, seen: Observed, seen_at: datetime) -> None:
    """Settle what had been found; take a degraded instance back once it has held for a while."""
    now = timezone.now()
    open_drifts: list[Drift] = instance.open_drifts  # type: ignore[attr-defined]
    if open_drifts:
        repairs.note(instance=instance, findings=(), done="")
    is_degraded = instance.state == Instance.State.DEGRADED
    if (is_degraded and _has_held(instance, seen, now)) or (
        open_drifts and instance.state == Instance.State.STOPPED
    ):
        repairs.recover(instance=instance, seen_at=seen_at)
    if repairs.is_well_again(instance=instance, now=now):
        repairs.forget(instance=instance)


def _has_held(instance: Instance, seen: Observed, now: datetime) -> bool:
    if any(each.health is Health.STARTING for each in seen.services):
        return False
    lately = Q(last_seen_at__gt=now - WELL_FOR)
    ended_lately = Q(kind=Drift.Kind.LOOPING, last_seen_at__gt=now - QUIET_FOR)
    return not instance.drifts.filter(lately | ended_lately).exists()


DIES_AGAIN = "{} keeps ending soon after it was started"


def _loops(services: Collection[str]) -> tuple[Finding, ...]:
    return tuple(Finding(Kind.LOOPING, name, DIES_AGAIN.format(name)) for name in sorted(services))


def _expected(instance: Instance) -> Expected:
    """What was written down when the stack was applied; built anew where that was never done."""
    if not instance.expected:
        expected = Expected.of(stacks.build(instance)).dump()
        instances.record_expected(instance=instance, expected=expected)
    return Expected.load(instance.expected)


def _due_for_a_closer_look(
    observed: Mapping[str, Observed], *, since: datetime | None, now: datetime
) -> frozenset[str]:
    """The instances whose turn has come since the last round, so that each has one.

    A turn is 30 s long. Where rounds come less often, as without the watch process, the turns
    between them would otherwise always be left out.
    """
    containers = sum(len(each.services) for each in observed.values())
    turns = max(1, math.ceil(containers / CLOSER_LOOKS))
    last = _turn(now)
    first = min(last, _turn(since) + 1) if since else last
    due = {turn % turns for turn in range(max(first, last - MOST_TURNS_AT_ONCE + 1), last + 1)}
    return frozenset(each for each in observed if zlib.crc32(each.encode()) % turns in due)


def _turn(at: datetime) -> int:
    return int(at.timestamp() / EVERY.total_seconds())
