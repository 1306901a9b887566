"""What a rollout reaches, and how far it is."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django.db.models import Count, Q, QuerySet

from hosting.models import Instance, Rollout, RolloutItem
from hosting.selectors import catalog, upgrades

_CHANGEABLE = (Instance.State.RUNNING, Instance.State.DEGRADED, Instance.State.STOPPED)


def offered() -> dict[str, str]:
    """The newest version of each app of the catalog, by app."""
    return {slug: app.newest_version for slug, app in catalog.apps().items()}


def reached(app: str, version: str) -> list[Instance]:
    """The instances that it would change, canaries first; not those that have opted out."""
    found = (
        Instance.objects.filter(
            app=app,
            purpose=Instance.Purpose.CLIENT,
            state__in=_CHANGEABLE,
            delete_requested_at=None,
            client__is_active=True,
        )
        .exclude(ring=Instance.Ring.NEVER)
        .select_related("client", "plan")
        .order_by("ring", "created_at")  # "canary" comes before "normal"
    )
    return [each for each in found if version in upgrades.versions_for(each)]


def is_in_window(instance: Instance, *, now: datetime) -> bool:
    """Whether it may be changed unasked now, by its client's clock."""
    local = now.astimezone(ZoneInfo(instance.client.timezone)).time()
    begin, end = instance.changes_from, instance.changes_until
    if begin <= end:
        return begin <= local < end
    return local >= begin or local < end


def with_progress(rollouts: QuerySet[Rollout]) -> QuerySet[Rollout]:
    """With ``total``, ``ended`` and ``failed`` counts of their instances."""
    over = (RolloutItem.State.SUCCEEDED, RolloutItem.State.FAILED, RolloutItem.State.SKIPPED)
    return rollouts.annotate(
        total=Count("items"),
        ended=Count("items", filter=Q(items__state__in=over)),
        failed=Count("items", filter=Q(items__state=RolloutItem.State.FAILED)),
    )
