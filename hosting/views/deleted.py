"""Instances that were deleted, as long as their backups are kept: new ones are made from these."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from hosting.models import Backup, Instance
from hosting.selectors.saving import backups as reading
from hosting.views.restores import ask_for_clone, new_one
from tenants.errors import Refused
from tenants.permissions import Permission, require
from tenants.views.access import ClientRequest, client_view, render_page

SHOWN = 5  # backups of each


@dataclass(frozen=True, slots=True)
class Gone:
    """A deleted instance with its newest backups; ``more`` is how many older ones there are."""

    instance: Instance
    backups: list[Backup]
    more: int
    kept_until: datetime | None


@require_safe
@client_view(Permission.VIEW_INSTANCES)
def index(request: ClientRequest) -> HttpResponse:
    """Each of them, the last deleted first."""
    context = {
        "section": "instances",
        "gone": _gone(reading.of_deleted(request.client)),
        "may_clone": _may_clone(request),
        "may_download": request.may(Permission.DOWNLOAD_BACKUP),
    }
    return render_page(request, "hosting/deleted_instances.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@client_view(Permission.RESTORE_BACKUP)
def make(request: ClientRequest, backup_id: uuid.UUID) -> HttpResponse:
    """What the new instance is to be (GET), or ask for it (POST); once for each key."""
    require(request.user, request.client, Permission.ORDER_INSTANCE)
    try:
        backup = reading.of_deleted(request.client).defer("secrets", "stored").get(pk=backup_id)
    except Backup.DoesNotExist as error:
        raise Http404("There is no such backup.") from error
    if request.method != "POST":
        return _page(request, backup)
    try:
        made = ask_for_clone(request, backup)
    except Refused as refusal:
        return _page(request, backup, refusal)
    return redirect("instance", client=request.client.slug, name=made.name)


def _may_clone(request: ClientRequest) -> bool:
    return request.may(Permission.RESTORE_BACKUP) and request.may(Permission.ORDER_INSTANCE)


def _gone(backups: Iterable[Backup]) -> list[Gone]:
    """By instance; they come in that order."""
    found = []
    for instance, theirs in groupby(backups, key=lambda each: each.instance):
        there = list(theirs)
        until = reading.kept_until(instance)
        found.append(Gone(instance, there[:SHOWN], len(there[SHOWN:]), until))
    return found


def _page(request: ClientRequest, backup: Backup, refusal: Refused | None = None) -> HttpResponse:
    context = {
        "section": "instances",
        "instance": backup.instance,
        "backup": backup,
        "version": backup.manifest.get("version", ""),
        "clone_url": reverse("deleted_clone", args=[request.client.slug, backup.pk]),
        **new_one(request, backup, refusal),
    }
    status = 422 if refusal else 200
    return render_page(request, "hosting/deleted_clone.html", context, status=status)
