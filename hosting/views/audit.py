"""What happened at a client, by whom: its part of the audit log."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from hosting.selectors import dashboard
from hosting.views.words import author, backup_moment, in_words
from tenants.models import AuditEvent
from tenants.permissions import Permission
from tenants.selectors import audit
from tenants.views.access import ClientRequest, client_view, render_page

PAGE = 50


@require_safe
@client_view(Permission.VIEW_AUDIT)
def index(request: ClientRequest) -> HttpResponse:
    """Newest first; ``before`` continues a page, ``instance`` and ``q`` narrow it down."""
    wanted, text = request.GET.get("instance", ""), request.GET.get("q", "").strip()
    before = request.GET.get("before", "")
    found = _events(request, wanted, text)
    if before.isdecimal() and len(before) < 19:  # a bigint
        found = found.filter(sequence__lt=int(before))
    events = list(found[: PAGE + 1])
    context = {
        "section": "audit",
        "rows": [_row(each) for each in events[:PAGE]],
        "instances": list(dashboard.past_and_present(request.client)),
        "wanted": wanted,
        "text": text,
        "is_narrowed": bool(wanted or text),
        "is_continued": bool(before),
        "older": _older(events, wanted, text),
    }
    template = "hosting/audit.html#events" if request.htmx else "hosting/audit.html"
    return render_page(request, template, context)


def _row(event: AuditEvent) -> tuple[AuditEvent, str, str, datetime | None]:
    """The event, who did what, and of which moment the backup is that it is about."""
    return event, author(event.actor_label), in_words(event), backup_moment(event)


def _events(request: ClientRequest, wanted: str, text: str) -> QuerySet[AuditEvent]:
    found = audit.of_client(request.client)
    if wanted:
        found = found.filter(object_type="instance", object_id=_clean_id(wanted))
    if text:
        found = found.filter(
            Q(actor_label__icontains=text)
            | Q(object_label__icontains=text)
            | Q(action__icontains=text)
        )
    return found


def _clean_id(text: str) -> str:
    """An id as the log writes it; what is none finds nothing."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return ""


def _older(events: Sequence[AuditEvent], wanted: str, text: str) -> str:
    """The query of the next page; empty on the last one."""
    if len(events) <= PAGE:
        return ""
    query = {"instance": wanted, "q": text, "before": events[PAGE - 1].sequence}
    return urlencode({key: value for key, value in query.items() if value})
