"""The admin's first page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from hosting.display import INSTANCE, server_state
from hosting.models import Instance
from hosting.selectors import overview
from tenants.display import badge


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's callback: add what the first page shows, as far as the person may see it."""
    user = request.user
    found = overview.overview(now=timezone.now())
    context.update(
        title="Overview",
        servers=[
            {"server": each, "badge": server_state(each), "meters": overview.meters(each)}
            for each in found.servers
        ]
        if user.has_perm("hosting.view_server")
        else None,
        states=[
            {"value": state, "count": count, "badge": _state_badge(state)}
            for state, count in found.states
        ]
        if user.has_perm("hosting.view_instance")
        else None,
        overview=found if user.has_perm("hosting.view_operation") else None,
    )
    return context


def _state_badge(state: str) -> str:
    return badge(Instance.State(state).label, INSTANCE[state])
