"""What an instance can be changed to, and what was tried of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from hosting.catalog.schema import App
from hosting.models import Instance, Plan, Rehearsal, Upgrade
from hosting.selectors import catalog, moves, offers
from hosting.selectors.instances import large


@dataclass(frozen=True, slots=True)
class Target:
    """A version with its catalog entry, and a plan."""

    version: str
    definition: Mapping[str, Any] = field(repr=False)
    plan: Plan

    def changes_app(self, instance: Instance) -> bool:
        """Whether the app would be another than it is, and not the plan alone."""
        now = (instance.version, instance.definition)
        return (self.version, self.definition) != now


def versions_for(instance: Instance) -> list[str]:
    """The versions that it can be changed to, newest first: never to an older one.

    Its own is among them where the catalog has changed since it was ordered.
    """
    app = catalog.apps().get(instance.app)
    if app is None:
        return []
    names = list(app.versions)
    if instance.version not in names:
        older = _older_by_its_own(instance)
        return [each for each in names if each not in older]
    newer = names[: names.index(instance.version)]
    return [*newer, instance.version] if _definition(app) != instance.definition else newer


def target_for(instance: Instance, *, version: str, plan: Plan) -> Target:
    """What the instance would be. Its own version stays on its own definition.

    Raises ``KeyError`` for a version that is not among ``versions_for``.
    """
    if version in versions_for(instance):
        return Target(version, _definition(catalog.apps()[instance.app]), plan)
    if version != instance.version:
        raise KeyError(version)
    return Target(version, instance.definition, plan)


def plans_for(instance: Instance) -> list[offers.PlanOffer]:
    """The plans on offer, and its own, with what each lacks for the app."""
    plans = offers.plans_on_offer()
    if instance.plan not in plans:
        plans = [instance.plan, *plans]
    return offers.plan_offers(plans, catalog.apps().get(instance.app))


def rehearsal_of(instance: Instance, target: Target) -> Rehearsal | None:
    """The last time that exactly this was tried, or is being tried, on a backup of it."""
    tried = rehearsals_of(instance).filter(
        to_version=target.version, to_definition=target.definition, to_plan=target.plan
    )
    return tried.first()


def is_rehearsed(rehearsal: Rehearsal | None, *, now: datetime) -> bool:
    """Whether it passed, and not too long ago."""
    if rehearsal is None or not rehearsal.passed or rehearsal.ended_at is None:
        return False
    return rehearsal.ended_at > now - settings.BERTH_REHEARSAL_VALID


def rehearsals_of(instance: Instance) -> QuerySet[Rehearsal]:
    """All of them, newest first."""
    mine = Rehearsal.objects.filter(backup__instance=instance)
    shown = mine.select_related("backup", "to_plan", "scratch").order_by("-created_at")
    return shown.defer("to_definition", "backup__secrets", "backup__manifest", "backup__stored")


def for_staff() -> QuerySet[Upgrade]:
    """All there ever were, with what a list shows of them."""
    related = ("operation__instance__client", "reverted_by", "safety", "from_plan", "to_plan")
    unshown = ("from_definition", "to_definition", *moves.unshown("safety"))
    return Upgrade.objects.select_related(*related).defer(*unshown, *large("operation__instance"))


def _older_by_its_own(instance: Instance) -> list[str]:
    """The versions below its own in the catalog's file as it was when it got that version."""
    listed = [each["version"] for each in instance.definition["berth"]["versions"]]
    return listed[listed.index(instance.version) + 1 :] if instance.version in listed else []


def _definition(app: App) -> Mapping[str, Any]:
    return app.model_dump(mode="json")
