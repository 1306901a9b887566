"""What can be ordered: apps, plans, names; asked by the order form and by the service alike."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ValidationError

from hosting.catalog.builder import availability
from hosting.catalog.schema import App
from hosting.models import Instance, Plan
from hosting.selectors import catalog, instances
from tenants.models import Client
from tenants.models.client import validate_dns_label

GIB = 2**30  # what a plan calls a GB


@dataclass(frozen=True, slots=True)
class AppOffer:
    """An app of the catalog; ``unavailable`` says why it can't be ordered, for staff."""

    app: App
    unavailable: str = ""


@dataclass(frozen=True, slots=True)
class PlanOffer:
    """A plan on offer; ``too_small`` says what it lacks for the app."""

    plan: Plan
    too_small: str = ""


def app_offers() -> list[AppOffer]:
    """Every app of the catalog, those that can be ordered first."""
    offers = [
        AppOffer(app, availability(app, settings.BERTH_APP_SETTINGS) or "")
        for app in catalog.apps().values()
    ]
    return sorted(offers, key=lambda each: (bool(each.unavailable), each.app.title.lower()))


def plans_on_offer() -> list[Plan]:
    """Every plan that can be ordered."""
    return list(Plan.objects.filter(is_active=True))


def plan_offers(plans: Iterable[Plan], app: App | None, *, data_bytes: int = 0) -> list[PlanOffer]:
    """The plans, and whether each is large enough for the app and the data that it begins with."""
    return [
        PlanOffer(plan, shortfall(plan, app, data_bytes=data_bytes) if app else "")
        for plan in plans
    ]


def name_problem(client: Client, name: str) -> str:
    """Why an instance can't be called that, in one sentence; empty where it can."""
    try:
        validate_dns_label(name)
    except ValidationError as error:
        return str(error.messages[0])
    longest = Instance._meta.get_field("name").max_length or 0
    if len(name) > longest:
        return f"Use at most {longest} characters."
    if instances.of_client(client).filter(name=name).exists():
        return taken(name)
    return ""


def taken(name: str) -> str:
    """What to say where the name is in use."""
    return f"You already have an instance named {name}; choose another name."


def shortfall(plan: Plan, app: App, *, data_bytes: int = 0) -> str:
    """What the plan lacks for the app, in one sentence; empty where it is large enough.

    ``data_bytes`` is the size of the data that it begins with.
    """
    needs = app.berth.minimum
    disk_gb = max(needs.disk_gb, math.ceil(data_bytes / GIB))
    lacking = [
        what
        for what, is_short in (
            (f"{_gigabytes(needs.memory_mb)} GB of memory", plan.memory_mb < needs.memory_mb),
            (f"{needs.cpus} CPUs", plan.cpus < needs.cpus),
            (f"{disk_gb} GB of disk", plan.disk_gb < disk_gb),
        )
        if is_short
    ]
    return f"{app.title} needs {' and '.join(lacking)}" if lacking else ""


def _gigabytes(megabytes: int) -> str:
    return f"{megabytes / 1024:.1f}".removesuffix(".0")
