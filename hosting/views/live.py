"""Parts of pages that ask again: nothing is sent, and so nothing moves, while nothing changed."""

from __future__ import annotations

import hashlib
from typing import Any

from django.http import HttpResponse

from hosting.views.presentation import InstanceView
from tenants.views.access import ClientRequest, render_page

QUICK, SLOW = 3, 15  # seconds between two questions: while something is going on, and otherwise


def render_live(
    request: ClientRequest, template: str, context: dict[str, Any], *, state: object
) -> HttpResponse:
    """The page; for a question of the page's own, the part called ``live`` or 204.

    ``state`` is everything that the part shows, as something with a complete ``repr``.
    """
    fingerprint = hashlib.sha256(repr(state).encode()).hexdigest()[:16]
    if request.htmx and request.GET.get("seen") == fingerprint:
        return HttpResponse(status=204)
    context = {**context, "fingerprint": fingerprint, "is_part": bool(request.htmx)}
    return render_page(request, f"{template}#live" if request.htmx else template, context)


def what_shows(shown: InstanceView) -> tuple[object, ...]:
    """What can change about an instance on a page, for its fingerprint."""
    instance, active = shown.instance, shown.active
    return (
        instance.pk,
        instance.state,
        instance.state_reason,
        shown.status.word,
        instance.is_routed,
        shown.host,
        instance.plan_id,
        active and active.what_shows(),
    )
