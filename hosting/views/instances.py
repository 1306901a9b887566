"""The client's instances: the list, one instance, and what can be done to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from hosting import hooks
from hosting.models import Instance, Operation
from hosting.selectors import dashboard, maintenance
from hosting.selectors import instances as reading
from hosting.selectors.measuring import resources, usage_limits
from hosting.selectors.saving import backups as saving
from hosting.selectors.watching import drifts
from hosting.services import instances, moves
from hosting.services.saving import backups
from hosting.services.working import operations
from hosting.views import instance_buttons
from hosting.views.healing import show_drift, trouble
from hosting.views.health import health_of
from hosting.views.live import QUICK, SLOW, render_live, what_shows
from hosting.views.presentation import InstanceView, show_instance, show_past
from hosting.views.proof import proof_of, show_newest
from hosting.views.restored import restored_of
from hosting.views.states import Status
from tenants.errors import Refused
from tenants.permissions import Permission
from tenants.views.access import ClientRequest, client_view, render_page

Verb = Callable[..., object]


@require_safe
@client_view(Permission.VIEW_INSTANCES)
def index(request: ClientRequest) -> HttpResponse:
    """The list, live."""
    rows = [show_instance(each) for each in reading.listed(request.client)]
    is_busy = any(row.active for row in rows)
    context = {
        "section": "instances",
        "rows": rows,
        "summary": _summary(rows),
        "has_deleted": saving.of_deleted(request.client).exists(),
        "every": QUICK if is_busy else SLOW,
    }
    state = [what_shows(row) for row in rows]
    return render_live(request, "hosting/instances.html", context, state=state)


@require_safe
@client_view(Permission.VIEW_INSTANCES)
def page(request: ClientRequest, name: str) -> HttpResponse:
    """One instance, live; when it is gone, what became of it."""
    try:
        instance = dashboard.get_instance(request.client, name)
    except Instance.DoesNotExist:
        return _gone(request, name)
    return show(request, instance)


def show(request: ClientRequest, instance: Instance) -> HttpResponse:
    """The instance's page, or its live part."""
    context = _context(request, instance)
    past = [(each.operation.pk, each.operation.state) for each in context["history"]]
    found = [(each.drift.pk, each.found, each.done, each.status.word) for each in context["drifts"]]
    saved = (context["proof"].what_shows(), [each.what_shows() for each in context["backups"]])
    restored = context["restored"].what_shows()
    warned = [(each.pk, each.summary, each.plan_id) for each in context["limit_warnings"]]
    state = (
        *(what_shows(context["shown"]), past, found, context["trouble"], saved, restored),
        *(context["held"], warned),
        context["health"] and context["health"].what_shows(),
    )
    return render_live(request, "hosting/instance.html", context, state=state)


@require_POST
@client_view(Permission.OPERATE_INSTANCE)
def start(request: ClientRequest, name: str) -> HttpResponse:
    """Start a stopped instance."""
    return _ask(request, name, instances.start)


@require_POST
@client_view(Permission.OPERATE_INSTANCE)
def stop(request: ClientRequest, name: str) -> HttpResponse:
    """Stop an instance."""
    return _ask(request, name, instances.stop)


@require_POST
@client_view(Permission.OPERATE_INSTANCE)
def restart(request: ClientRequest, name: str) -> HttpResponse:
    """Stop and start an instance."""
    return _ask(request, name, instances.restart)


@require_POST
@client_view(Permission.OPERATE_INSTANCE)
def retry(request: ClientRequest, name: str) -> HttpResponse:
    """Try again to bring up an instance whose provisioning failed."""
    return _ask(request, name, instances.retry)


@require_POST
@client_view(Permission.MAKE_BACKUP)
def back_up(request: ClientRequest, name: str) -> HttpResponse:
    """Make a backup now."""
    return _ask(request, name, backups.request)


@require_POST
@client_view(Permission.RESTORE_BACKUP)
def go_back(request: ClientRequest, name: str) -> HttpResponse:
    """Go back to the data of before the last restore."""
    return _ask(request, name, moves.revert)


@require_POST
@client_view(Permission.DELETE_INSTANCE)
def delete(request: ClientRequest, name: str) -> HttpResponse:
    """Delete an instance whose name was typed; another name is refused at the field."""
    instance = get(request, name)
    typed = request.POST.get("confirmation", "").strip()
    try:
        instances.delete(instance=instance, confirmation=typed, actor=request.actor)
    except Refused as refusal:
        refused = {"delete_error": refusal.message, "typed": typed}
        return _page(request, instance, refused, status=422)
    return redirect("instance", client=request.client.slug, name=name)


def get(request: ClientRequest, name: str) -> Instance:
    """The client's instance of that name; others' and deleted ones are a 404."""
    try:
        return dashboard.get_instance(request.client, name)
    except Instance.DoesNotExist as error:
        raise Http404("There is no such instance.") from error


def _ask(request: ClientRequest, name: str, verb: Verb) -> HttpResponse:
    """Ask a service for a change, then show the instance as it is now."""
    instance = get(request, name)
    try:
        verb(instance=instance, actor=request.actor)
    except Refused as refusal:
        messages.error(request, refusal.message)
    if request.htmx:
        return show(request, get(request, name))
    return redirect("instance", client=request.client.slug, name=name)


def _gone(request: ClientRequest, name: str) -> HttpResponse:
    instance = dashboard.last_deleted(request.client, name)
    if instance is None:
        raise Http404("There is no such instance.")
    if request.htmx:
        messages.success(request, f"{name} is deleted, with everything it held.")
        return HttpResponseClientRedirect(reverse("instances", args=[request.client.slug]))
    is_saved = saving.of_deleted(request.client).filter(instance=instance).exists()
    context = {
        "section": "instances",
        "shown": show_instance(instance),
        "kept_until": saving.kept_until(instance) if is_saved else None,
    }
    return render_page(request, "hosting/deleted.html", context, status=410)


def _page(
    request: ClientRequest, instance: Instance, more: dict[str, Any], *, status: int
) -> HttpResponse:
    context = {**_context(request, instance), **more}
    return render_page(request, "hosting/instance.html", context, status=status)


def _context(request: ClientRequest, instance: Instance) -> dict[str, Any]:
    shown = show_instance(instance, with_usual=True)
    found = drifts.newest(instance)
    saved, has_more = show_newest(instance)
    restored = restored_of(instance, now=timezone.now())
    return {
        "section": "instances",
        "shown": shown,
        "instance": instance,
        "buttons": instance_buttons.buttons(request, shown),
        "ways_out": hooks.ways_out(instance=instance)
        if instance.suspended_at and request.may(Permission.VIEW_BILLING)
        else (),
        "may_operate": request.may(Permission.OPERATE_INSTANCE),
        "may_keep": request.may(Permission.MAKE_BACKUP),
        "may_download": request.may(Permission.DOWNLOAD_BACKUP),
        "may_restore": request.may(Permission.RESTORE_BACKUP),
        "may_upgrade": Operation.Kind.UPGRADE in operations.allowed_kinds(instance)
        and request.may(Permission.UPGRADE_INSTANCE),
        "held": [usage_limits.sentence(each) for each in usage_limits.holds(instance)],
        "may_manage_tokens": request.may(Permission.MANAGE_USAGE_TOKENS),
        "kept_days": settings.BERTH_BACKUPS_AFTER_DELETION.days if saved else 0,
        "may_delete": request.may(Permission.DELETE_INSTANCE),
        "is_deleting": bool(shown.active and shown.active.operation.kind == Operation.Kind.DELETE),
        "history": [show_past(each) for each in dashboard.history(instance)],
        "drifts": [show_drift(each) for each in found],
        "proof": proof_of(shown, now=timezone.now()),
        "backups": saved,
        "has_more_backups": has_more,
        "back_up": instance_buttons.back_up(request, shown),
        "restored": restored,
        "go_back": instance_buttons.go_back(request, shown, restored),
        "trouble": None if shown.active else trouble(instance, found),
        "health": health_of(instance, now=timezone.now()),
        "limit_warnings": resources.open_warnings([instance]).get(instance.pk, []),
        "will_be_stopped": maintenance.will_be_stopped_for_it(instance),
        "every": QUICK if shown.active else SLOW,
    }


def _summary(rows: Sequence[InstanceView]) -> list[tuple[str, str, str, int]]:
    """Tone, icon, word and number of each kind of state, what needs a look first."""
    tones = ("broken", "attention", "progress", "running", "stopped")
    counts = Counter(_kind_of_state(row.status) for row in rows)
    first = sorted(counts, key=lambda each: (tones.index(each[0]), each[2]))
    return [(*each, counts[each]) for each in first]


def _kind_of_state(status: Status) -> tuple[str, str, str]:
    """What goes on has many names; in a sum it is one thing."""
    if status.tone == "progress":
        return "progress", "progress", "in progress"
    return status.tone, status.icon, status.word.lower()
