"""One operation with everything it said, and calling it off."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from hosting.models import Operation
from hosting.selectors.working import operations as reading
from hosting.services.working import operations
from hosting.views import instances
from hosting.views.live import QUICK, SLOW, render_live
from hosting.views.presentation import show_operation
from tenants.errors import Refused
from tenants.permissions import Permission
from tenants.views.access import ClientRequest, client_view


@require_safe
@client_view(Permission.VIEW_INSTANCES)
def page(request: ClientRequest, operation_id: uuid.UUID) -> HttpResponse:
    """An operation's steps and their output, live while it goes on."""
    operation = _get(request, operation_id)
    shown = show_operation(operation, operation.instance, with_usual=operation.is_active)
    context = {
        "section": "instances",
        "shown": shown,
        "operation": operation,
        "instance": operation.instance,
        "may_operate": request.may(Permission.OPERATE_INSTANCE),
        "every": QUICK if operation.is_active else SLOW,
    }
    return render_live(request, "hosting/operation.html", context, state=shown.what_shows())


@require_POST
@client_view(Permission.OPERATE_INSTANCE)
def cancel(request: ClientRequest, operation_id: uuid.UUID) -> HttpResponse:
    """Call an operation off."""
    operation = _get(request, operation_id)
    try:
        operations.cancel(operation_id=operation.pk, actor=request.actor)
    except Refused as refusal:
        messages.error(request, refusal.message)
    if request.htmx:
        return instances.show(request, instances.get(request, operation.instance.name))
    return redirect("instance", client=request.client.slug, name=operation.instance.name)


def _get(request: ClientRequest, operation_id: uuid.UUID) -> Operation:
    try:
        return reading.of_client(request.client).get(pk=operation_id)
    except Operation.DoesNotExist as error:
        raise Http404("There is no such operation.") from error
