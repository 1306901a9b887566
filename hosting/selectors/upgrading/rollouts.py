"""What a rollout reaches, and how far it is."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db.models import Case, Count, JSONField, Prefetch, Q, QuerySet, TextField, Value, When
from django.db.models.functions import MD5, Cast

from hosting.catalog.schema import App
from hosting.models import AT_WORK, Instance, OperationStep, Rollout, RolloutItem
from hosting.selectors import catalog
from hosting.selectors.instances import large
from hosting.selectors.upgrading import upgrades
from hosting.selectors.working.waves import Wave, counted, with_items

_Item = RolloutItem.State
_CHANGEABLE = (Instance.State.RUNNING, Instance.State.DEGRADED, Instance.State.STOPPED)


def offered() -> dict[str, str]:
    """The newest version of each app of the catalog, by app."""
    return {slug: app.newest_version for slug, app in catalog.apps().items()}


def reached(app: str, version: str) -> list[Instance]:
    """The instances that it would change, canaries first; not those that have opted out."""
    found = (
        _changeable()
        .filter(app=app)
        .select_related("client", "plan")
        .order_by("ring", "created_at")  # "canary" comes before "normal"
    )
    return [each for each in found if version in upgrades.versions_for(each)]


def counts_reached() -> dict[str, int]:
    """By app, how many ``reached`` has for what is offered, without reading each of them.

    A query, and another where some have versions that the catalog does not know any more.
    """
    counts = dict.fromkeys(catalog.apps(), 0)
    unknown = Q()
    rows = _changeable().order_by().values("app", "version").annotate(is_as_offered=_as_offered())
    for row in rows.annotate(many=Count("pk")):
        app = catalog.apps().get(row["app"])
        if app is not None and row["version"] in app.versions:
            counts[row["app"]] += 0 if row["is_as_offered"] else row["many"]
        elif app is not None:
            unknown |= Q(app=row["app"], version=row["version"])
    if unknown:
        kinds = _changeable().filter(unknown).order_by().values_list("app", "version", "definition")
        for app_slug, version, definition, many in kinds.annotate(many=Count("pk")):
            one = Instance(app=app_slug, version=version, definition=definition)
            if offered()[app_slug] in upgrades.versions_for(one):
                counts[app_slug] += many
    return counts


def _as_offered() -> Case:
    """Whether an instance has the newest version of its app, as the catalog has that now."""
    newest = [
        When(app=slug, version=app.newest_version, definition_digest=_digest(app), then=True)
        for slug, app in catalog.apps().items()
    ]
    return Case(*newest, default=False)


def _digest(app: App) -> MD5:
    """As PostgreSQL computes it of an instance's definition."""
    return MD5(Cast(Value(app.model_dump(mode="json"), JSONField()), TextField()))


def _changeable() -> QuerySet[Instance]:
    return Instance.objects.filter(
        purpose=Instance.Purpose.CLIENT,
        state__in=_CHANGEABLE,
        delete_requested_at=None,
        client__is_active=True,
    ).exclude(ring=Instance.Ring.NEVER)


def is_in_window(instance: Instance, *, now: datetime) -> bool:
    """Whether it may be changed unasked now, by its client's clock."""
    local = now.astimezone(ZoneInfo(instance.client.timezone)).time()
    begin, end = instance.changes_from, instance.changes_until
    if begin <= end:
        return begin <= local < end
    return local >= begin or local < end


def with_progress(rollouts: QuerySet[Rollout]) -> QuerySet[Rollout]:
    """With ``total``, ``ended`` and ``failed`` counts of their instances."""
    over = (_Item.SUCCEEDED, _Item.FAILED, _Item.SKIPPED)
    return rollouts.annotate(
        total=Count("items"),
        ended=Count("items", filter=Q(items__state__in=over)),
        failed=Count("items", filter=Q(items__state=_Item.FAILED)),
    )


class RolloutWave(Wave):
    """Of a rollout. Number 0 are the canaries."""

    __slots__ = ()

    @property
    def is_canary(self) -> bool:
        """Whether it goes ahead of all others."""
        return self.number == 0

    @property
    def is_running(self) -> bool:
        """Whether it has begun and not ended; one that waits for its hours has not ended."""
        is_begun = 0 < self.counts[_Item.WAITING] < self.size
        return is_begun or any(self.counts[state] for state in AT_WORK)


def waves(rollout: Rollout, *, opened: Collection[int]) -> list[RolloutWave]:
    """With instances, clients, rehearsals, operations and steps where they are looked at.

    Three queries, however many.
    """
    steps = OperationStep.objects.order_by("position").defer("output")
    items = (
        rollout.items.order_by("wave", "pk")
        .select_related("rollout", "instance__client", "rehearsal", "operation")
        .defer(*large("instance"), "rehearsal__to_definition")
        .prefetch_related(Prefetch("operation__steps", queryset=steps))
    )
    found = [RolloutWave(number, counts) for number, counts in counted(rollout.items.all())]
    return with_items(found, items, first=0, opened=opened)
