"""Working through an operation: claim it, run its steps, end it.

Killed between any two lines, the operation's lease runs out and another worker goes on with the
first step that is not recorded as done.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from django.conf import settings
from django.db import InterfaceError, InternalError, OperationalError, connection
from django.utils import timezone

from hosting.engines.errors import EngineError, EngineUnavailable, GiveUp, TryLater
from hosting.flows.base import Flow, Step, Work
from hosting.flows.moments import Moment
from hosting.flows.restoring.clone import CLONE
from hosting.flows.restoring.restore import RESTORE
from hosting.flows.restoring.restore_test import RESTORE_TEST
from hosting.flows.restoring.revert import REVERT
from hosting.flows.running.delete import DELETE
from hosting.flows.running.lifecycle import RESTART, START, STOP
from hosting.flows.running.provision import PROVISION
from hosting.flows.running.repair import REPAIR
from hosting.flows.saving.backup import BACKUP
from hosting.flows.upgrading.rehearsal import REHEARSAL
from hosting.flows.upgrading.upgrade import UPGRADE
from hosting.models import Instance, Operation
from hosting.services.working import breaker, leases, progress

logger = logging.getLogger(__name__)

FLOWS: dict[str, Flow] = {
    flow.kind: flow
    for flow in (
        *(PROVISION, CLONE, START, STOP, RESTART, REPAIR),
        *(BACKUP, RESTORE, REVERT, UPGRADE, RESTORE_TEST, REHEARSAL, DELETE),
    )
}
# A restart, a lost connection, a deadlock, a session that PostgreSQL ended (InternalError).
DATABASE_AWAY = (OperationalError, InterfaceError, InternalError)
MAX_ATTEMPTS = 8
MAX_WAIT_FOR_SERVER = timedelta(hours=24)
SERVER_PAUSE = timedelta(seconds=5)
MOMENT_SECONDS = 1.0  # between an operation's end and the end of its worker's heartbeat


def run(operation_id: uuid.UUID) -> bool:
    """Work on the operation if it is due and free; whether it was.

    Everything that goes wrong ends up in the operation's row. What Berth did not foresee fails the
    operation and is raised as well, so that it reaches the log with its traceback.
    """
    lease = leases.claim(operation_id=operation_id, worker=f"{socket.gethostname()}:{os.getpid()}")
    if lease is None:
        return False
    with _heartbeat(lease):
        try:
            _work(lease)
        except leases.LeaseLost:
            logger.warning("operation %s went to another worker", operation_id)
        except DATABASE_AWAY as error:
            # Nothing can be written down. The lease runs out, and whoever is rung for then goes on.
            logger.warning("operation %s: the database is away: %s", operation_id, error)
            connection.close()
    return True


def _work(lease: leases.Lease) -> None:
    operation = _load(lease)
    flow = FLOWS[operation.kind]
    if operation.undoing:
        _undo(lease, flow, operation)
        return
    try:
        _refuse_deadly(flow, operation)
        _run_steps(lease, flow.kind, operation.instance, flow.steps)
    except leases.CancelRequested:
        _end_cancelled(lease, flow, operation)
    except TryLater as error:
        _postpone(lease, flow, operation, error)
    except GiveUp as error:
        _give_up(lease, flow, operation, error)
    except (leases.LeaseLost, *DATABASE_AWAY):
        raise
    except Exception as error:
        _fail(lease, flow, operation, _own_error(operation, error))
        raise
    else:
        state = flow.state_after(operation.instance)
        _end(lease, Operation.State.SUCCEEDED, "", state)


def _load(lease: leases.Lease) -> Operation:
    related = ("instance__client", "instance__plan", "instance__server", "instance__made_from")
    return Operation.objects.select_related(*related).get(pk=lease.operation_id)


def _own_error(operation: Operation, error: Exception) -> str:
    return (
        f"Berth ran into an error of its own ({type(error).__name__});"
        f" it is in the log under operation {operation.pk}."
    )


def _refuse_deadly(flow: Flow, operation: Operation) -> None:
    """GiveUp where worker after worker took it up and was never heard of again."""
    if flow.gives_up and operation.attempt > MAX_ATTEMPTS:
        raise GiveUp(f"It was begun {MAX_ATTEMPTS} times, and no worker came to its end.")


def _run_steps(
    lease: leases.Lease, kind: str, instance: Instance, steps: Sequence[Step], *, first: int = 0
) -> None:
    """Those that are not done yet. ``first`` is the place of the first among the operation's."""
    titles = [(each.name, each.title) for each in steps]
    done = progress.plan(lease=lease, steps=titles, first=first)
    for step in steps:
        if step.name not in done:
            _run_step(Work(lease=lease, kind=kind, instance=instance, step=step))
    breaker.record_answer(server=instance.server)


def _run_step(work: Work) -> None:
    step = work.step
    leases.check(lease=work.lease)
    progress.begin(lease=work.lease, name=step.name)
    work.pass_moment(Moment.BEFORE)
    try:
        step.run(work)
    except (TryLater, GiveUp) as error:
        progress.say(lease=work.lease, step=step.name, line=str(error))
        progress.end(lease=work.lease, name=step.name, done=False)
        raise
    finally:
        work.close()
    work.pass_moment(Moment.DONE)
    progress.end(lease=work.lease, name=step.name, done=True)
    work.pass_moment(Moment.AFTER)


def _postpone(lease: leases.Lease, flow: Flow, operation: Operation, error: TryLater) -> None:
    """Put the operation off, ever longer; give up after so many attempts.

    A server that does not answer says nothing about the operation: it is waited for much longer.
    """
    if isinstance(error, EngineUnavailable):
        too_long = timezone.now() - operation.requested_at > MAX_WAIT_FOR_SERVER
    else:
        too_long = operation.attempt >= MAX_ATTEMPTS
    if too_long and flow.gives_up:
        if isinstance(error, EngineUnavailable):
            breaker.record_silence(server=operation.instance.server, error=str(error))
        _fail(lease, flow, operation, _said(operation, error))
    else:
        _put_off(lease, operation, error)


def _give_up(lease: leases.Lease, flow: Flow, operation: Operation, error: GiveUp) -> None:
    """Fail, or say what is in the way of an operation that has to be done all the same."""
    if flow.gives_up:
        _fail(lease, flow, operation, str(error))
    else:
        _put_off(lease, operation, error)


def _put_off(lease: leases.Lease, operation: Operation, error: EngineError) -> None:
    """Give it back for a while; a server that does not answer uses up no attempt."""
    is_silent = isinstance(error, EngineUnavailable)
    if is_silent:
        breaker.record_silence(server=operation.instance.server, error=str(error))
    delay = SERVER_PAUSE if is_silent else _backoff(operation.attempt)
    leases.postpone(lease=lease, reason=_said(operation, error), delay=delay, counts=not is_silent)


def _said(operation: Operation, error: EngineError) -> str:
    if isinstance(error, EngineUnavailable):
        return f"Server {operation.instance.server} does not answer; trying again."
    return str(error)


def _fail(lease: leases.Lease, flow: Flow, operation: Operation, reason: str) -> None:
    """End it as failed, after taking back what it has begun."""
    if _is_to_be_undone(flow, operation):
        leases.begin_undo(lease=lease, reason=reason, is_cancelled=False)
        _undo(lease, flow, _load(lease))
    else:
        _end(lease, Operation.State.FAILED, reason, flow.failed_as)


def _is_to_be_undone(flow: Flow, operation: Operation) -> bool:
    """Whether the instance may be away, or another, or be there at all, because of it."""
    if not flow.undo or flow.is_undone_always:
        return bool(flow.undo)
    return operation.steps.filter(name=flow.undo_from).exclude(started_at=None).exists()


def _undo(lease: leases.Lease, flow: Flow, operation: Operation) -> None:
    """Take it back, and end it with the reason for that. What is in the way is waited for."""
    try:
        _run_steps(lease, flow.kind, operation.instance, flow.undo, first=len(flow.steps))
    except (TryLater, GiveUp) as error:
        _put_off(lease, operation, error)
    except (leases.LeaseLost, *DATABASE_AWAY):
        raise
    except Exception as error:
        delay = _backoff(operation.attempt)
        leases.postpone(lease=lease, reason=_own_error(operation, error), delay=delay)
        raise
    else:
        undone = flow.undone(operation)
        reason = f"{operation.undoing.rstrip('.')}. {undone.said}"
        is_cancelled = operation.cancel_requested_at is not None
        state = Operation.State.CANCELLED if is_cancelled else Operation.State.FAILED
        _end(lease, state, reason, undone.state)


def _end_cancelled(lease: leases.Lease, flow: Flow, operation: Operation) -> None:
    """A cancelled operation that never began leaves the instance as it was, unless it is new."""
    began = operation.steps.exclude(started_at=None).exists()
    reason = f"“{operation.get_kind_display()}” was called off."
    if _is_to_be_undone(flow, operation):
        leases.begin_undo(lease=lease, reason=reason, is_cancelled=True)
        _undo(lease, flow, _load(lease))
        return
    is_new = operation.instance.state == Instance.State.NEW
    state = flow.failed_as if began or is_new else None
    _end(lease, Operation.State.CANCELLED, reason, state)


def _end(
    lease: leases.Lease, state: Operation.State, reason: str, instance_state: Instance.State | None
) -> None:
    leases.finish(
        lease=lease, state=state, reason=reason, instance_state=instance_state, at=timezone.now()
    )


def _backoff(attempt: int) -> timedelta:
    """2, 4, 8 ... up to 60 seconds, give or take a fifth so that waiters don't move in step."""
    seconds = min(2.0 ** min(attempt, 10), 60.0)
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311  (no secret)


@contextmanager
def _heartbeat(lease: leases.Lease) -> Iterator[None]:
    """Extend the lease from a thread with a connection of its own, until the work is over."""
    over = threading.Event()
    thread = threading.Thread(target=_beat, args=(lease, over), daemon=True, name="heartbeat")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _beat(lease: leases.Lease, over: threading.Event) -> None:
    interval = settings.BERTH_LEASE.total_seconds() / 4
    try:
        while not over.wait(interval):
            _extend(lease)
    except leases.LeaseLost:
        if not over.wait(MOMENT_SECONDS):  # else it has just ended, as it should
            logger.warning("the lease of operation %s is gone", lease.operation_id)
    finally:
        connection.close()


def _extend(lease: leases.Lease) -> None:
    """Extend the lease; with the database away, try at the next beat: it may come back in time."""
    try:
        leases.extend(lease=lease)
    except DATABASE_AWAY as error:
        logger.warning("the lease of operation %s: %s", lease.operation_id, error)
        connection.close()
