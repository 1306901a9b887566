"""Putting a backup back into its instance: what that means, and asking for it."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from hosting.models import Backup, Instance
from hosting.selectors import catalog, offers
from hosting.selectors.saving import backups as reading
from hosting.services.saving import clones, restores
from hosting.views import instance_buttons, instances
from hosting.views.presentation import show_instance
from hosting.views.proof import places_of
from tenants.errors import Refused
from tenants.permissions import Permission, require
from tenants.views.access import ClientRequest, client_view, render_page


@require_http_methods(["GET", "HEAD", "POST"])
@client_view(Permission.RESTORE_BACKUP)
def restore(request: ClientRequest, name: str, backup_id: uuid.UUID) -> HttpResponse:
    """What will happen (GET), or ask for it (POST); what is refused is said on the same page."""
    instance = instances.get(request, name)
    backup = _get(instance, backup_id)
    if request.method != "POST":
        return _page(request, instance, backup)
    try:
        restores.request(instance=instance, backup=backup, actor=request.actor)
    except Refused as refusal:
        return _page(request, instance, backup, refused=refusal.message)
    return redirect("instance", client=request.client.slug, name=name)


@require_POST
@client_view(Permission.RESTORE_BACKUP)
def clone(request: ClientRequest, name: str, backup_id: uuid.UUID) -> HttpResponse:
    """Ask for a new instance with the data of the backup; once for each key, as an order."""
    require(request.user, request.client, Permission.ORDER_INSTANCE)
    instance = instances.get(request, name)
    backup = _get(instance, backup_id)
    try:
        made = ask_for_clone(request, backup)
    except Refused as refusal:
        return _page(request, instance, backup, not_cloned=refusal)
    return redirect("instance", client=request.client.slug, name=made.name)


def ask_for_clone(request: ClientRequest, backup: Backup) -> Instance:
    """Order what the form says; once for each key, as an order. Raises ``Refused``."""
    name, plan = _wanted(request)
    if not name:
        raise Refused("Give it a name.", field="name")
    return clones.request(
        backup=backup,
        name=name,
        plan=plan,
        actor=request.actor,
        order_key=request.headers.get("Idempotency-Key") or request.POST.get("order_key"),
    )


def _wanted(request: ClientRequest) -> tuple[str, str]:
    """Name and plan as they were typed."""
    return request.POST.get("name", "").strip(), request.POST.get("plan", "").strip()


def _get(instance: Instance, backup_id: uuid.UUID) -> Backup:
    try:
        return reading.get_of_instance(instance, backup_id)
    except Backup.DoesNotExist as error:
        raise Http404("There is no such backup.") from error


def _page(
    request: ClientRequest,
    instance: Instance,
    backup: Backup,
    *,
    refused: str = "",
    not_cloned: Refused | None = None,
) -> HttpResponse:
    shown = show_instance(instance)
    status = 422 if not_cloned else 409 if refused else 200
    context = {
        "section": "instances",
        "instance": instance,
        "shown": shown,
        "backup": backup,
        "version": backup.manifest.get("version", ""),
        "places": places_of(backup),
        "refused": refused or _unfit(instance, backup) or instance_buttons.why_not(shown),
        "kept_days": settings.BERTH_RESTORE_KEEP.days,
        "held": spoken(settings.BERTH_EDGE_HOLD_SECONDS),
        "clone_url": reverse("backup_clone", args=[request.client.slug, instance.name, backup.pk]),
        **new_one(request, backup, not_cloned),
    }
    return render_page(request, "hosting/restore.html", context, status=status)


def new_one(request: ClientRequest, backup: Backup, refusal: Refused | None) -> dict[str, Any]:
    """What the form for a new instance shows; nothing for who may not order, or no good backup."""
    if not request.may(Permission.ORDER_INSTANCE) or not backup.is_good:
        return {}
    instance, (name, plan) = backup.instance, _wanted(request)
    app = catalog.apps().get(instance.app)
    field = refusal.field if refusal and refusal.field in ("name", "plan") else "form"
    return {
        "may_clone": True,
        "order_key": uuid.uuid4(),
        "new_name": name,
        "suffix": f".{request.client.slug}.{settings.BERTH_DOMAIN}",
        "plans": offers.plan_offers(offers.plans_on_offer(), app, data_bytes=backup.size_bytes),
        "chosen_plan": plan or instance.plan.slug,
        **({f"{field}_error": refusal.message} if refusal else {}),
    }


def spoken(seconds: int) -> str:
    """How long something waits at most."""
    return f"{seconds // 60} minutes" if seconds >= 120 else f"{seconds} seconds"


def _unfit(instance: Instance, backup: Backup) -> str:
    """Why this backup is never put back there; empty where it may be."""
    try:
        restores.refuse_unfit(instance=instance, backup=backup)
    except Refused as refusal:
        return refusal.message
    return ""
