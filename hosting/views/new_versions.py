"""When an instance gets versions that are given to all: its client's say in that."""

from __future__ import annotations

from datetime import time

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.dateparse import parse_time
from django.views.decorators.http import require_POST

from hosting.services.upgrading import new_versions
from hosting.views import instances, upgrades
from tenants.errors import Refused
from tenants.permissions import Permission
from tenants.views.access import ClientRequest, client_view


@require_POST
@client_view(Permission.UPGRADE_INSTANCE)
def choose(request: ClientRequest, name: str) -> HttpResponse:
    """Take part or not, and within which hours."""
    instance = instances.get(request, name)
    fields = ("is_in", "changes_from", "changes_until")
    typed = {each: request.POST.get(each, "").strip()[:16] for each in fields}
    try:
        new_versions.opt(
            instance=instance,
            is_in=bool(typed["is_in"]),
            changes_from=_time(typed, "changes_from"),
            changes_until=_time(typed, "changes_until"),
            actor=request.actor,
        )
    except Refused as refusal:
        first = upgrades.chosen_first(instance)
        return upgrades.show(request, instance, first, refusal=refusal, hours=typed)
    messages.success(request, f"It is set when new versions come to {name}.")
    return redirect("instance_upgrade", client=request.client.slug, name=name)


def _time(typed: dict[str, str], field: str) -> time:
    """A time of day. Raises ``Refused`` at its field."""
    try:
        found = parse_time(typed[field])
    except ValueError:
        found = None
    if found is None:
        raise Refused("Type a time, such as 01:00.", field=field)
    return found
