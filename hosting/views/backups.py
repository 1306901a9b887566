"""All backups of an instance, and keeping one for as long as its client wants it."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from hosting.models import Backup
from hosting.selectors.saving import backups as reading
from hosting.services.saving import backups
from hosting.views import instances
from hosting.views.proof import show_backup
from hosting.views.to_a_minute import line_of
from tenants.errors import Refused
from tenants.permissions import Permission
from tenants.views.access import ClientRequest, client_view, render_page

PAGE = 50


@require_safe
@client_view(Permission.VIEW_INSTANCES)
def index(request: ClientRequest, name: str) -> HttpResponse:
    """Every backup that is there or on the way, page by page, newest first."""
    instance = instances.get(request, name)
    page = Paginator(reading.of_instance(instance), PAGE).get_page(request.GET.get("page"))
    context = {
        "section": "instances",
        "instance": instance,
        "page": page,
        "backups": [show_backup(each) for each in page],
        "may_keep": request.may(Permission.MAKE_BACKUP),
        "may_download": request.may(Permission.DOWNLOAD_BACKUP),
        "may_restore": request.may(Permission.RESTORE_BACKUP),
        "may_operate": request.may(Permission.OPERATE_INSTANCE),
        "has_second_place": bool(settings.BERTH_BACKUP_COPY),
        "line": line_of(instance, now=timezone.now()),
    }
    return render_page(request, "hosting/backups.html", context)


@require_POST
@client_view(Permission.MAKE_BACKUP)
def keep(request: ClientRequest, backup_id: uuid.UUID) -> HttpResponse:
    """Keep a backup until it is let go by hand."""
    return _set_pinned(request, backup_id, is_pinned=True)


@require_POST
@client_view(Permission.MAKE_BACKUP)
def let_go(request: ClientRequest, backup_id: uuid.UUID) -> HttpResponse:
    """Keep it no longer than the plan says."""
    return _set_pinned(request, backup_id, is_pinned=False)


def _set_pinned(request: ClientRequest, backup_id: uuid.UUID, *, is_pinned: bool) -> HttpResponse:
    """Then back to the page that it was asked on: ``page`` is sent by the list of all."""
    backup = _get(request, backup_id)
    try:
        backups.set_pinned(backup=backup, is_pinned=is_pinned, actor=request.actor)
    except Refused as refusal:
        messages.error(request, refusal.message)
    where = [request.client.slug, backup.instance.name]
    page = request.POST.get("page", "")
    if page:
        number = f"?page={page}" if page.isdecimal() else ""
        return redirect(reverse("backups", args=where) + number)
    if request.htmx:
        return instances.show(request, instances.get(request, backup.instance.name))
    return redirect(reverse("instance", args=where))


def _get(request: ClientRequest, backup_id: uuid.UUID) -> Backup:
    try:
        return reading.of_client(request.client).get(pk=backup_id)
    except Backup.DoesNotExist as error:
        raise Http404("There is no such backup.") from error
