"""Whom Berth tells at a client: its channels, and the log of what was sent."""

from __future__ import annotations

import uuid
from datetime import time
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.dateparse import parse_time
from django.views.decorators.http import require_http_methods, require_POST

from hosting.models import CHOSEN_TOPICS, Channel, Delivery, Severity
from hosting.selectors.telling import channels as reading
from hosting.services.telling import channels
from hosting.services.telling.channels import Wishes
from hosting.views.states import Status
from tenants.errors import Refused
from tenants.permissions import Permission
from tenants.views.access import ClientRequest, client_view, render_page

LOG = 30
FIELDS = ("kind", "name", "target", "least", "quiet_from", "quiet_until")
_STATUS = {
    Delivery.State.OPEN: Status("Waiting", "progress", "pending"),
    Delivery.State.SENDING: Status("Being sent", "progress", "progress"),
    Delivery.State.SENT: Status("Sent", "running", "done"),
    Delivery.State.FAILED: Status("Failed", "broken", "broken"),
    Delivery.State.DROPPED: Status("Not sent", "stopped", "cancelled"),
}
_WORKS = Status("In use", "running", "running")
_FAILS = Status("Failing", "attention", "attention")
_STOPPED = Status("Stopped", "broken", "broken")


@require_http_methods(["GET", "HEAD", "POST"])
@client_view(Permission.MANAGE_CHANNELS)
def index(request: ClientRequest) -> HttpResponse:
    """The channels and what was sent lately; a POST adds a channel."""
    if request.method != "POST":
        return _show(request, _empty())
    typed = {each: request.POST.get(each, "").strip()[:2100] for each in FIELDS}
    topics = request.POST.getlist("topics")[:20]
    is_urgent_through = bool(request.POST.get("is_urgent_through"))
    form = {**typed, "topics": topics, "is_urgent_through": is_urgent_through}
    try:
        made = channels.add(
            client=request.client,
            kind=typed["kind"],
            name=typed["name"],
            target=typed["target"],
            wishes=Wishes(
                topics=topics,
                least=typed["least"],
                quiet_from=_time(typed, "quiet_from"),
                quiet_until=_time(typed, "quiet_until"),
                is_urgent_through=is_urgent_through,
            ),
            actor=request.actor,
            now=timezone.now(),
        )
    except Refused as refusal:
        return _show(request, form, refusal=refusal, status=422)
    messages.success(request, f"{made.name} was added, and a test is on its way there.")
    return redirect("notifications", client=request.client.slug)


@require_POST
@client_view(Permission.MANAGE_CHANNELS)
def test(request: ClientRequest, channel_id: uuid.UUID) -> HttpResponse:
    """Send a test to the channel."""
    channel = _get(request, channel_id)
    try:
        channels.test(channel=channel, actor=request.actor, now=timezone.now())
    except Refused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"A test is on its way to {channel.name}.")
    return redirect("notifications", client=request.client.slug)


@require_POST
@client_view(Permission.MANAGE_CHANNELS)
def remove(request: ClientRequest, channel_id: uuid.UUID) -> HttpResponse:
    """Send nothing there any more."""
    channel = _get(request, channel_id)
    try:
        channels.remove(channel=channel, actor=request.actor, now=timezone.now())
    except Refused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"Nothing is sent to {channel.name} any more.")
    return redirect("notifications", client=request.client.slug)


def _show(
    request: ClientRequest,
    form: dict[str, Any],
    *,
    refusal: Refused | None = None,
    status: int = 200,
) -> HttpResponse:
    log = list(reading.log_of(request.client)[:LOG])
    context = {
        "section": "notifications",
        "channels": [_shown(each) for each in reading.of_client(request.client)],
        "log": [(each, _STATUS[Delivery.State(each.state)]) for each in log],
        "kinds": Channel.Kind.choices,
        "topics": [(each.value, each.label) for each in CHOSEN_TOPICS],
        "severities": Severity.choices,
        "form": form,
        "wrong": {refusal.field or "form": refusal.message} if refusal else {},
    }
    return render_page(request, "hosting/notifications.html", context, status=status)


def _shown(channel: Channel) -> dict[str, Any]:
    status = _WORKS
    if channel.stopped_at is not None:
        status = _STOPPED
    elif channel.failing_since is not None:
        status = _FAILS
    is_signed = channel.kind == Channel.Kind.WEBHOOK
    return {
        "channel": channel,
        "status": status,
        "topics": [each.label for each in CHOSEN_TOPICS if each in channel.topics],
        "is_for_all": len(channel.topics) == len(CHOSEN_TOPICS),
        "secret": channel.secret if is_signed else "",
    }


def _empty() -> dict[str, Any]:
    topics = [each.value for each in CHOSEN_TOPICS]
    return {
        "kind": Channel.Kind.MAIL,
        "least": Severity.INFO,
        "topics": topics,
        "is_urgent_through": True,
    }


def _time(typed: dict[str, str], field: str) -> time | None:
    """A time of day, or none. Raises ``Refused`` at its field."""
    if not typed[field]:
        return None
    try:
        found = parse_time(typed[field])
    except ValueError:
        found = None
    if found is None:
        raise Refused("Type a time, such as 22:00.", field=field)
    return found


def _get(request: ClientRequest, channel_id: uuid.UUID) -> Channel:
    try:
        return reading.get(request.client, channel_id)
    except Channel.DoesNotExist as error:
        raise Http404("There is no such channel.") from error
