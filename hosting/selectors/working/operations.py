"""Reading operations for pages."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Aggregate, Count, DurationField, ExpressionWrapper, F, QuerySet

from hosting.models import Instance, Operation
from tenants.models import Client

LATELY = 200  # so many of the last ones are looked at
ENOUGH_TO_TELL = 3  # fewer past operations than this say nothing about the next one


class Median(Aggregate):
    """PostgreSQL's exact median."""

    function = "percentile_cont"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"


def of_client(client: Client) -> QuerySet[Operation]:
    """The client's operations with their steps, newest first; not those of Berth's own tests."""
    theirs = Operation.objects.filter(
        instance__client=client, instance__purpose=Instance.Purpose.CLIENT
    )
    return theirs.select_related("instance__client").prefetch_related("steps")


def latest(instance: Instance) -> Operation | None:
    """The instance's newest operation, with its steps."""
    return instance.operations.prefetch_related("steps").order_by("-requested_at").first()


def usual_duration(operation: Operation) -> timedelta | None:
    """The median time that operations of this kind lately took for this app; None if few ended."""
    ended = Operation.objects.filter(
        kind=operation.kind,
        instance__app=operation.instance.app,
        state=Operation.State.SUCCEEDED,
    ).annotate(
        took=ExpressionWrapper(F("finished_at") - F("started_at"), output_field=DurationField())
    )
    found = ended.order_by("-finished_at")[:LATELY].aggregate(
        number=Count("pk"), median=Median("took", output_field=DurationField())
    )
    median: timedelta | None = found["median"]
    return median if found["number"] >= ENOUGH_TO_TELL else None
