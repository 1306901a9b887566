"""What is done again and again. All of it asks the database what is due and not yet done.

So it may be called by two schedulers, by the watch process, late, or not at all for a while:
nothing is done twice, and what was missed is done at the next call.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.core.management import call_command
from django.db.models import F
from django.utils import timezone

from hosting import hooks
from hosting.flows.measuring import run_times, sampling, scraping
from hosting.flows.running import edge
from hosting.flows.saving import copies, merging, off_site, shipping, upkeep
from hosting.flows.telling import delivering
from hosting.flows.watching import reconcile
from hosting.models import EdgeState, Incident, Server
from hosting.selectors import clock
from hosting.services import repairs, servers, suspensions
from hosting.services.measuring import (
    instance_metrics,
    partitions,
    usage_events,
    usage_limits,
    usage_sums,
)
from hosting.services.saving import journal_alarm, journals, nights, restore_tests
from hosting.services.telling import notifications
from hosting.services.upgrading import rollouts
from hosting.services.watching import health_counts, incidents
from hosting.services.working import chores, doorbell, fleet, turns
from tenants.selectors import audit_chain

logger = logging.getLogger(__name__)

SWEEP_AT_MOST = 200
NIGHTLY = timedelta(days=1)
NOTE_NEWEST = timedelta(minutes=1)
ROLL_UP = timedelta(minutes=5)
WATCH_JOURNALS = timedelta(seconds=30)
READ_COUNTERS = timedelta(seconds=30)  # limits are to be held within a minute
COUNT_USAGE = timedelta(seconds=15)
OVERDUE_AFTER = timedelta(seconds=15)  # the watch process is given that long to do its round


def sweep() -> None:
    """Ring for whatever should be worked on and is not, and move on what waits for others."""
    for operation_id in turns.ringable(at_most=SWEEP_AT_MOST):
        doorbell.ring(operation_id=operation_id)
    fleet.advance_all()
    rollouts.advance_all(now=timezone.now())
    suspensions.settle()


def publish_edge() -> None:
    """Bring the edge up to date where it is behind."""
    behind = EdgeState.objects.filter(wanted__gt=F("live"))
    if settings.BERTH_EDGE and behind.exists():
        edge.publish()


def reconcile_overdue() -> None:
    """Compare the servers whose round is late: nobody watches them at the moment.

    One where that fails does not keep the others from it.
    """
    late = Server.objects.filter(reconcile_at__lte=timezone.now() - OVERDUE_AFTER)
    for server in late:
        try:
            if servers.take_round(server=server, every=reconcile.EVERY):
                reconcile.whole(server)
        except Exception:
            logger.exception("server %s could not be compared; it is tried again", server)


def deliver() -> None:
    """Send the notifications that are due."""
    delivering.deliver_due()


def ship_journals() -> None:
    """Fetch the journals of databases that are due, and raise the alarm where they are late."""
    try:
        shipping.ship_due()
    finally:  # above all where that fails
        chores.run_if_due(name="watch-journals", every=WATCH_JOURNALS, work=_watch_journals)


def count_usage() -> None:
    """Sum up what apps used since the last time."""
    chores.run_if_due(name="count-usage", every=COUNT_USAGE, work=_count_usage)


def roll_up_samples() -> None:
    """Make of the readings what lists and charts show, if that is due."""
    for name in ("note-newest-samples", "roll-up-samples"):
        every, work = CHORES[name]
        chores.run_if_due(name=name, every=every, work=work)


def write_metrics() -> None:
    """Write what Prometheus is told of the instances, if that is due."""
    every, work = CHORES["write-metrics"]
    chores.run_if_due(name="write-metrics", every=every, work=work)


def read_counters() -> None:
    """Read the counters of all apps, if nobody has just done so."""
    chores.run_if_due(name="read-counters", every=READ_COUNTERS, work=_read_counters)


def do_chores() -> None:
    """Whatever comes back, if it is due. One that fails does not keep the others away."""
    for name, (every, work) in CHORES.items():
        try:
            chores.run_if_due(name=name, every=every, work=work)
        except Exception:
            logger.exception("the chore %s failed; it is tried again soon", name)


def _verify_audit_log() -> None:
    kind = Incident.Kind.AUDIT_LOG_BROKEN
    problem = audit_chain.verify().problem
    if problem:
        incidents.open_for(kind=kind, summary=problem)
    else:
        incidents.close(kind=kind)


def _clear_sessions() -> None:
    call_command("clearsessions")


def _request_backups() -> None:
    nights.request_nightly(now=timezone.now())


def _test_restores() -> None:
    now = timezone.now()
    restore_tests.request_due(now=now)
    restore_tests.watch_ages(now=now)


def _watch_journals() -> None:
    now = timezone.now()
    journals.request_bases(now=now)
    journal_alarm.watch(now=now)


def _read_counters() -> None:
    scraping.read_all()


def _read_run_times() -> None:
    run_times.read_all()


def _count_usage() -> None:
    # Sums are dated by it, and what is newer than the last that was priced is priced: by two
    # workers' own clocks, some would be dated before what another has priced already.
    now = clock.shared_now()
    usage_sums.sum_up(now=now)
    usage_limits.check(now=now)
    for listener in hooks.usage_listeners():
        listener(now=now)
    publish_edge()  # where something is used up now, or is no more


def _write_metrics() -> None:
    if settings.BERTH_METRICS_TOKEN:
        instance_metrics.write(now=timezone.now())


def _forget_usage_keys() -> None:
    usage_events.forget_keys(before=timezone.now() - settings.BERTH_USAGE_KEYS_KEPT)


def _count_health() -> None:
    health_counts.count_marked(now=timezone.now())


def _forget_notifications() -> None:
    notifications.forget_old(now=timezone.now())


def _keep_up_partitions() -> None:
    partitions.keep_up(now=timezone.now())


CHORES: dict[str, tuple[timedelta, Callable[[], None]]] = {
    "count-health": (timedelta(minutes=1), _count_health),
    "forget-notifications": (NIGHTLY, _forget_notifications),
    "keep-up-partitions": (timedelta(hours=1), _keep_up_partitions),
    "count-usage": (COUNT_USAGE, _count_usage),  # also where nobody else asks for it
    "write-metrics": (instance_metrics.EVERY, _write_metrics),  # the same
    "read-run-times": (run_times.EVERY, _read_run_times),
    "request-backups": (timedelta(minutes=1), _request_backups),
    "watch-backups": (timedelta(minutes=5), upkeep.watch),
    "watch-journals": (WATCH_JOURNALS, _watch_journals),  # also where nobody fetches them
    "test-restores": (timedelta(minutes=5), _test_restores),
    "verify-audit-log": (NIGHTLY, _verify_audit_log),
    "forget-usage-keys": (NIGHTLY, _forget_usage_keys),
    "clear-sessions": (NIGHTLY, _clear_sessions),
    "note-newest-samples": (NOTE_NEWEST, sampling.note_newest),  # these two also where no process
    "roll-up-samples": (ROLL_UP, sampling.roll_up),  # samples at the moment
    "forget-old-drifts": (NIGHTLY, repairs.forget_old_drifts),
    "destroy-backups-of-deleted": (NIGHTLY, upkeep.destroy),
    "copy-journals": (off_site.EVERY, off_site.copy_due),
    "copy-backups": (copies.EVERY, copies.copy_due),  # takes its time, as what follows
    "merge-journals": (timedelta(minutes=10), merging.merge_due),
    "prune-backups": (timedelta(minutes=10), upkeep.prune),
}
