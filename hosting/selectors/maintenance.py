"""Whose server is emptied for maintenance: what was stopped by that, and comes back by itself."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from hosting.models import FleetAction, FleetActionItem, Instance, Operation, Server

_DRAIN, _REOPEN = FleetAction.Purpose.DRAIN, FleetAction.Purpose.REOPEN
_TO = "maintenance_items"


def prefetch() -> Prefetch[str, QuerySet[FleetActionItem], str]:
    """The items of drains that still hold an instance, and of reopenings that will start it."""
    started_later = Operation.objects.filter(
        instance=OuterRef("instance"),
        requested_at__gt=OuterRef("operation__requested_at"),
        kind__in=(Operation.Kind.START, Operation.Kind.RESTART, Operation.Kind.PROVISION),
    )
    draining = Q(
        action__purpose=_DRAIN, action__server__availability=Server.Availability.DRAINING
    ) & ~Q(state=FleetActionItem.State.SKIPPED)
    coming = Q(
        action__purpose=_REOPEN,
        action__state=FleetAction.State.RUNNING,
        state__in=(FleetActionItem.State.WAITING, FleetActionItem.State.RUNNING),
    )
    items = FleetActionItem.objects.filter(~Exists(started_later), draining | coming)
    return Prefetch("fleet_items", items.select_related("action"), to_attr=_TO)


def is_stopped_for_it(instance: Instance) -> bool:
    """Whether it is stopped only because of its server, and starts again when that is back."""
    return instance.state == Instance.State.STOPPED and bool(_items(instance))


def will_be_stopped_for_it(instance: Instance) -> bool:
    """Whether its turn to be stopped is still to come."""
    waiting = FleetActionItem.State.WAITING
    return any(each.action.purpose == _DRAIN and each.state == waiting for each in _items(instance))


def _items(instance: Instance) -> list[FleetActionItem]:
    return getattr(instance, _TO, [])
