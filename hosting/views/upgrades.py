"""Changing an instance's version or plan: choosing, rehearsing, and asking for it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from hosting import hooks
from hosting.models import Instance, Operation, Rehearsal, Upgrade
from hosting.selectors import moves, reasons
from hosting.selectors.upgrading import upgrades as reading
from hosting.selectors.upgrading.upgrades import Target
from hosting.services.upgrading import upgrades
from hosting.views import instance_buttons, instances
from hosting.views.live import QUICK, SLOW, render_live, what_shows
from hosting.views.presentation import OperationView, show_instance, show_operation
from tenants.errors import Refused
from tenants.permissions import Permission
from tenants.views.access import ClientRequest, client_view, render_page

REHEARSE, UPGRADE = "rehearse", "upgrade"
_FIELDS = ("version", "plan", "changes_from", "changes_until")


@require_http_methods(["GET", "HEAD", "POST"])
@client_view(Permission.UPGRADE_INSTANCE)
def upgrade(request: ClientRequest, name: str) -> HttpResponse:
    """What can be chosen and what was tried of it (GET); rehearse it, or ask for it (POST)."""
    instance = instances.get(request, name)
    if request.method != "POST":
        return show(request, instance, _chosen(request.GET, instance))
    chosen = _chosen(request.POST, instance)
    ask = upgrades.request if request.POST.get("do") == UPGRADE else upgrades.rehearse
    version, plan = chosen
    try:
        ask(instance=instance, version=version, plan=plan, actor=request.actor)
    except Refused as refusal:
        return show(request, instance, chosen, refusal=refusal)
    where = [request.client.slug, name]
    if ask is upgrades.request:
        return redirect(reverse("instance", args=where))
    query = urlencode({"version": version, "plan": plan})
    return redirect(f"{reverse('instance_upgrade', args=where)}?{query}")


def chosen_first(instance: Instance) -> tuple[str, str]:
    """What is chosen before anybody has: the newest version, and its own plan."""
    return _chosen({}, instance)


def _chosen(given: Any, instance: Instance) -> tuple[str, str]:
    """The version and plan of the form; the newest, and its own plan, unless said otherwise."""
    newest = next(iter(reading.versions_for(instance)), instance.version)
    version, plan = (str(given.get(each, "")).strip()[:64] for each in ("version", "plan"))
    return version or newest, plan or instance.plan.slug


def show(
    request: ClientRequest,
    instance: Instance,
    chosen: tuple[str, str],
    *,
    refusal: Refused | None = None,
    hours: dict[str, str] | None = None,
) -> HttpResponse:
    """The page; with ``refusal`` at its field and 422. ``hours`` is what was typed of them."""
    target = _target(instance, chosen)
    rehearsal = reading.rehearsal_of(instance, target) if target else None
    now = timezone.now()
    plans = reading.plans_for(instance)
    going_on, shown = _show(rehearsal), show_instance(instance)
    failed = _failed(instance, target)
    context = {
        "section": "instances",
        "instance": instance,
        "shown": shown,
        "versions": reading.versions_for(instance),
        "plans": plans,
        "notes": hooks.plan_notes(
            client=request.client, plans=[each.plan for each in plans], now=now
        ),
        "change_notes": hooks.plan_change_notes(instance=instance, plan=target.plan, now=now)
        if target
        else (),
        "version": chosen[0],
        "plan": chosen[1],
        "target": target,
        "changes_app": bool(target and target.changes_app(instance)),
        "changes": bool(target and (target.changes_app(instance) or target.plan != instance.plan)),
        "rehearsal": rehearsal,
        "rehearsing": _goes_on(rehearsal),
        "rehearsal_view": going_on,
        "reason": reasons.taken_apart(rehearsal.reason if rehearsal else ""),
        "failed": failed,
        "failed_why": reasons.why_ended(failed.operation) if failed else "",
        "why_not": instance_buttons.why_not(shown),
        "is_rehearsed": reading.is_rehearsed(rehearsal, now=now),
        "valid_days": settings.BERTH_REHEARSAL_VALID.days,
        "kept_days": settings.BERTH_RESTORE_KEEP.days,
        "hours": hours or hours_of(instance),
        "query": urlencode({"version": chosen[0], "plan": chosen[1]}),
        "every": QUICK if _goes_on(rehearsal) else SLOW,
    }
    if refusal is not None:
        field = refusal.field if refusal.field in _FIELDS else "form"
        context[f"{field}_error"] = refusal.message
        return render_page(request, "hosting/upgrade.html", context, status=422)
    tried = (
        context["is_rehearsed"],
        rehearsal and rehearsal.pk,
        going_on and going_on.what_shows(),
    )
    state = (chosen, tried, failed and failed.pk, what_shows(shown))
    return render_live(request, "hosting/upgrade.html", context, state=state)


def hours_of(instance: Instance) -> dict[str, str]:
    """When it gets versions that are given to all, as its form has it."""
    return {
        "is_in": "" if instance.ring == Instance.Ring.NEVER else "on",
        "changes_from": f"{instance.changes_from:%H:%M}",
        "changes_until": f"{instance.changes_until:%H:%M}",
    }


def _target(instance: Instance, chosen: tuple[str, str]) -> Target | None:
    """What the form says, if there is such a thing."""
    version, slug = chosen
    plan = next((each.plan for each in reading.plans_for(instance) if each.plan.slug == slug), None)
    try:
        return reading.target_for(instance, version=version, plan=plan) if plan else None
    except KeyError:
        return None


def _failed(instance: Instance, target: Target | None) -> Upgrade | None:
    """The last change of it, where that was this one and came to nothing."""
    last = moves.upgrades_of(instance).first()
    if last is None or target is None or last.operation.state != Operation.State.FAILED:
        return None
    wanted = (target.version, target.plan.pk)
    return last if (last.to_version, last.to_plan_id) == wanted else None


def _goes_on(rehearsal: Rehearsal | None) -> bool:
    return rehearsal is not None and rehearsal.passed is None


def _show(rehearsal: Rehearsal | None) -> OperationView | None:
    """The operation of one that goes on."""
    if rehearsal is None or rehearsal.passed is not None:
        return None
    operation = rehearsal.scratch.operations.prefetch_related("steps").latest("requested_at")
    return show_operation(operation, rehearsal.scratch, with_usual=True)
