"""Putting a backup back into its instance: what that means, and asking for it."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from hosting.models import Backup, Instance
from hosting.selectors import backups as reading
from hosting.services import restores
from hosting.views import instances
from hosting.views.presentation import show_instance
from tenants.errors import Refused
from tenants.permissions import Permission
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


def _get(instance: Instance, backup_id: uuid.UUID) -> Backup:
    try:
        return reading.get_of_instance(instance, backup_id)
    except Backup.DoesNotExist as error:
        raise Http404("There is no such backup.") from error


def _page(
    request: ClientRequest, instance: Instance, backup: Backup, *, refused: str = ""
) -> HttpResponse:
    shown = show_instance(instance)
    context = {
        "section": "instances",
        "instance": instance,
        "shown": shown,
        "backup": backup,
        "version": backup.manifest.get("version", ""),
        "refused": refused or _unfit(instance, backup) or instances.why_not(shown),
        "kept_days": settings.BERTH_RESTORE_KEEP.days,
        "held": _spoken(settings.BERTH_EDGE_HOLD_SECONDS),
    }
    return render_page(request, "hosting/restore.html", context, status=409 if refused else 200)


def _spoken(seconds: int) -> str:
    return f"{seconds // 60} minutes" if seconds >= 120 else f"{seconds} seconds"


def _unfit(instance: Instance, backup: Backup) -> str:
    """Why this backup is never put back there; empty where it may be."""
    try:
        restores.refuse_unfit(instance=instance, backup=backup)
    except Refused as refusal:
        return refusal.message
    return ""
