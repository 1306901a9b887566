"""Rounds of the reconciler in tests, with the time that passes between them."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F

from hosting.flows.watching import reconcile
from hosting.flows.working import runner
from hosting.models import Chore, Drift, Incident, Instance, Operation, Server, Stray

MOMENTS = (
    (Operation, ("requested_at", "run_after", "started_at", "finished_at")),
    (Instance, ("repair_after", "deleted_at")),
    (Drift, ("found_at", "last_seen_at", "settled_at")),
    (Incident, ("opened_at", "closed_at")),
    (Server, ("retry_at", "silent_since", "reconcile_at", "reconciled_at")),
    (Stray, ("first_seen_at", "last_seen_at", "ended_at")),
    (Chore, ("due_at", "last_began_at", "last_ended_at")),
)


def pass_time(span: timedelta = timedelta(seconds=30)) -> None:
    """Everything that is written down happened so much longer ago."""
    for model, fields in MOMENTS:
        model.objects.update(**{field: F(field) - span for field in fields})


def one_round(server: Server) -> reconcile.Round | None:
    """Compare the server as the database knows it now, half a minute after whatever was before."""
    pass_time()
    return reconcile.whole(Server.objects.get(pk=server.pk))


def state_after_a_round(server: Server, instance: Instance) -> str:
    """The instance's state, which the instance that is given shows as well."""
    one_round(server)
    instance.refresh_from_db()
    return instance.state


def work_all() -> list[Operation]:
    """Work on every operation that is due, as the workers do; return those that were worked on."""
    due = list(Operation.objects.filter(state=Operation.State.QUEUED).order_by("requested_at"))
    worked = [each for each in due if runner.run(each.pk)]
    for each in worked:
        each.refresh_from_db()
    return worked
