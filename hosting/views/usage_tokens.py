"""The tokens with which an instance's app reports what it used."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from hosting.models import Instance, UsageToken
from hosting.selectors.measuring import usage_tokens as selectors
from hosting.services.measuring import usage_tokens
from hosting.views import instances
from tenants.errors import Refused
from tenants.permissions import Permission
from tenants.views.access import ClientRequest, client_view, render_page


@require_http_methods(["GET", "HEAD", "POST"])
@client_view(Permission.MANAGE_USAGE_TOKENS)
def index(request: ClientRequest, name: str) -> HttpResponse:
    """The instance's tokens; a POST makes one, and its answer is the only page that shows it."""
    instance = instances.get(request, name)
    if request.method != "POST":
        return _show(request, instance)
    typed = request.POST.get("name", "").strip()[:200]
    try:
        made = usage_tokens.make(
            instance=instance, name=typed, actor=request.actor, now=timezone.now()
        )
    except Refused as refusal:
        return _show(request, instance, error=refusal.message, typed=typed, status=422)
    return _show(request, instance, made=made, status=201)


@require_POST
@client_view(Permission.MANAGE_USAGE_TOKENS)
def revoke(request: ClientRequest, name: str, token_id: uuid.UUID) -> HttpResponse:
    """End one of the instance's tokens."""
    instance = instances.get(request, name)
    try:
        token = selectors.get(request.client, instance, token_id)
    except UsageToken.DoesNotExist as error:
        raise Http404("There is no such token.") from error
    try:
        usage_tokens.revoke(token=token, actor=request.actor, now=timezone.now())
    except Refused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"{token.name} opens nothing any more.")
    return redirect("usage_tokens", client=request.client.slug, name=name)


def _show(
    request: ClientRequest,
    instance: Instance,
    *,
    made: str = "",
    error: str = "",
    typed: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        "section": "instances",
        "instance": instance,
        "tokens": selectors.of_instance(instance),
        "address": settings.BERTH_URL + reverse("api-1:report_usage"),
        "made": made,
        "error": error,
        "typed": typed,
    }
    return render_page(request, "hosting/usage_tokens.html", context, status=status)
