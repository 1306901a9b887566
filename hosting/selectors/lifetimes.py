"""When instances of clients began, on which plan they are, and when they ended."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max, QuerySet

from hosting.models import Instance, Operation

_CHANGES_PLAN = (Operation.Kind.UPGRADE, Operation.Kind.REVERT)
_COLUMNS = (
    *("pk", "client_id", "plan_id", "first_running_at", "delete_requested_at", "deleted_at"),
    "suspended_at",
)


@dataclass(frozen=True, slots=True)
class Lifetime:
    """An instance that ran at least once. It ended when its deletion was asked for."""

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


def started(*, clients: QuerySet[Any, Any], besides: QuerySet[Any, Any]) -> Iterable[Lifetime]:
    """Of these clients' instances that ran, those that are not ``besides``. One query."""
    return _of(Instance.objects.filter(client__in=clients).exclude(pk__in=besides))


def of(instances: Collection[uuid.UUID] | QuerySet[Any, Any]) -> Iterable[Lifetime]:
    """Of these instances those that ran. One query."""
    return _of(Instance.objects.filter(pk__in=instances))


def plan_changes(instances: Collection[uuid.UUID]) -> Mapping[uuid.UUID, datetime]:
    """When each of the instances last ended a change that may have given it another plan."""
    done = Operation.objects.filter(
        instance__in=instances, kind__in=_CHANGES_PLAN, finished_at__isnull=False
    )
    return dict(done.values_list("instance").annotate(Max("finished_at")))


def _of(instances: QuerySet[Instance]) -> Iterable[Lifetime]:
    ran = instances.filter(first_running_at__isnull=False, purpose=Instance.Purpose.CLIENT)
    for pk, client, plan, began_at, asked_at, deleted_at, suspended_at in ran.values_list(
        *_COLUMNS
    ):
        yield Lifetime(pk, client, plan, began_at, asked_at or deleted_at, suspended_at)
