"""When instances of clients began, what happened to their plans and use, and when they ended."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery, UUIDField
from django.db.models.functions import Coalesce

from hosting.models import ACTIVE_STATES, Instance, Operation, Plan, Upgrade
from tenants.models import AuditEvent

_State = Operation.State
_TO_COME = datetime.max.replace(tzinfo=UTC)
_SUSPENDED, _RESUMED = "instance.suspended", "instance.resumed"
_COLUMNS = (
    *("pk", "client_id", "plan_held", "first_running_at", "delete_requested_at", "deleted_at"),
    "suspended_at",
)


@dataclass(frozen=True, slots=True)
class Lifetime:
    """An instance that ran at least once. It ended when its deletion was asked for.

    While it is changed to another plan, ``plan_id`` is the one of before: it may still go back.
    """

    instance_id: uuid.UUID
    client_id: uuid.UUID
    plan_id: uuid.UUID
    began_at: datetime
    ended_at: datetime | None
    suspended_at: datetime | None

    @property
    def is_suspended(self) -> bool:
        """Whether it is out of use now."""
        return self.suspended_at is not None


@dataclass(frozen=True, slots=True)
class Turn:
    """A moment from which on an instance was on another plan, or out of use, or in use again.

    What did not change is None; ``plan_before`` is what the plan was.
    """

    at: datetime
    plan_id: uuid.UUID | None = None
    plan_before: uuid.UUID | None = None
    is_suspended: bool | None = None


Turns = Mapping[uuid.UUID, Sequence[Turn]]


def started(*, clients: QuerySet[Any, Any], besides: QuerySet[Any, Any]) -> Iterable[Lifetime]:
    """Of these clients' instances that ran, those that are not ``besides``. One query."""
    return _of(Instance.objects.filter(client__in=clients).exclude(pk__in=besides))


def of(instances: Collection[uuid.UUID] | QuerySet[Any, Any]) -> Iterable[Lifetime]:
    """Of these instances those that ran. One query."""
    return _of(Instance.objects.filter(pk__in=instances))


def turns(*, since: datetime, until: datetime) -> Turns:
    """What happened to any instance after ``since`` and by ``until``, in order. Two queries.

    A change of plan happened when it had ended well; one that was taken back never did.
    """
    changes = _changes(until).filter(operation__finished_at__gt=since)
    return _in_order(changes, _suspensions(until).filter(at__gt=since))


def turns_of(instances: Collection[uuid.UUID], *, until: datetime) -> Turns:
    """All that happened to these instances by then, in order. Two queries."""
    changes = _changes(until).filter(operation__instance__in=instances)
    names = [str(each) for each in instances]
    return _in_order(changes, _suspensions(until).filter(object_id__in=names))


def left_plans(
    instances: Collection[uuid.UUID],
) -> Mapping[uuid.UUID, Sequence[tuple[datetime, Plan]]]:
    """When each of them was changed to another plan, and which it had before, in order. A query.

    A change that goes on is the last, and to come: the instance has the other plan while it is
    made, and may still go back.
    """
    ours = Upgrade.objects.filter(operation__instance__in=instances)
    changes = _changed(ours, _State.SUCCEEDED, *ACTIVE_STATES).select_related("from_plan")
    found: dict[uuid.UUID, list[tuple[datetime, Plan]]] = defaultdict(list)
    ordered = changes.order_by(F("operation__finished_at").asc(nulls_last=True)).annotate(
        instance=F("operation__instance"), at=F("operation__finished_at")
    )
    for each in ordered.only("from_plan"):
        found[each.instance].append((each.at or _TO_COME, each.from_plan))
    return found


def _changes(until: datetime) -> QuerySet[Upgrade]:
    ended = Upgrade.objects.filter(operation__finished_at__lte=until)
    return _changed(ended, _State.SUCCEEDED)


def _changed(rows: QuerySet[Upgrade], *states: str) -> QuerySet[Upgrade]:
    """Of plans. Going back to the data of before keeps the plan, so that it is none."""
    ours = rows.filter(operation__kind=Operation.Kind.UPGRADE, operation__state__in=states)
    return ours.exclude(from_plan=F("to_plan"))


def _suspensions(until: datetime) -> QuerySet[AuditEvent]:
    """And their ends. Another reason for one that lasts is an event too, and changes nothing."""
    return AuditEvent.objects.filter(
        object_type="instance", action__in=(_SUSPENDED, _RESUMED), at__lte=until
    )


def _in_order(changes: QuerySet[Upgrade], suspensions: QuerySet[AuditEvent]) -> Turns:
    found: dict[uuid.UUID, list[Turn]] = defaultdict(list)
    for instance, turn in (*_read_changes(changes), *_read_suspensions(suspensions)):
        found[instance].append(turn)
    return {instance: sorted(each, key=lambda turn: turn.at) for instance, each in found.items()}


def _read_changes(rows: QuerySet[Upgrade]) -> Iterator[tuple[uuid.UUID, Turn]]:
    names = ("operation__instance", "operation__finished_at", "from_plan", "to_plan")
    for instance, at, before, plan in rows.order_by().values_list(*names):
        yield instance, Turn(at, plan_id=plan, plan_before=before)


def _read_suspensions(rows: QuerySet[AuditEvent]) -> Iterator[tuple[uuid.UUID, Turn]]:
    for instance, at, action in rows.order_by("sequence").values_list("object_id", "at", "action"):
        yield uuid.UUID(instance), Turn(at, is_suspended=action == _SUSPENDED)


def _of(instances: QuerySet[Instance]) -> Iterable[Lifetime]:
    going_on = Upgrade.objects.filter(
        operation__instance=OuterRef("pk"), operation__state__in=ACTIVE_STATES
    )
    ran = instances.filter(first_running_at__isnull=False, purpose=Instance.Purpose.CLIENT)
    held = Coalesce(Subquery(going_on.values("from_plan")[:1]), F("plan"), output_field=UUIDField())
    rows = ran.annotate(plan_held=held).values_list(*_COLUMNS)
    for pk, client, plan, began_at, asked_at, deleted_at, suspended_at in rows:
        yield Lifetime(pk, client, plan, began_at, asked_at or deleted_at, suspended_at)
