"""What goes on on servers, for the pages that show them."""

from __future__ import annotations

from django.db.models import Count, Exists, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now

from hosting.models import ACTIVE_STATES, FleetAction, Incident, Instance, Operation, Server


def with_work(servers: QuerySet[Server]) -> QuerySet[Server]:
    """Servers with ``at_work`` and ``waiting`` operations, ``open_incidents`` and ``is_emptying``.

    At work is what somebody holds a lease of; everything else that has not ended waits.
    """
    active = Operation.objects.filter(instance__server=OuterRef("pk"), state__in=ACTIVE_STATES)
    held = Q(state=Operation.State.RUNNING, lease_expires_at__gt=Now())
    incidents = Incident.objects.filter(server=OuterRef("pk"), closed_at=None)
    drains = FleetAction.objects.filter(
        server=OuterRef("pk"),
        purpose=FleetAction.Purpose.DRAIN,
        state=FleetAction.State.RUNNING,
    )
    return servers.annotate(
        at_work=_count(active.filter(held), "instance__server"),
        waiting=_count(active.exclude(held), "instance__server"),
        open_incidents=_count(incidents, "server"),
        is_emptying=Exists(drains),
    )


def concerned(server: Server, *, states: tuple[str, ...]) -> QuerySet[Instance]:
    """Those of its instances that an action reaches that goes to those states."""
    reached = server.instances.filter(
        state__in=states, delete_requested_at=None, client__is_active=True
    )
    return reached.order_by("client__slug", "name")


def running(server: Server) -> int:
    """How many of its instances a drain would stop."""
    return server.instances.filter(
        state__in=(Instance.State.RUNNING, Instance.State.DEGRADED)
    ).count()


def current_action(server: Server) -> FleetAction | None:
    """What is being done to all of its instances, if anything."""
    return server.fleet_actions.filter(state=FleetAction.State.RUNNING).first()


def _count(rows: QuerySet[Operation] | QuerySet[Incident], by: str) -> Coalesce:
    counted = rows.order_by().values(by).annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)
