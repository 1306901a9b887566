"""Beginning an instance's backup store anew, in the place where it was lost or damaged."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from hosting.admin.building.asking import Question, ask
from hosting.admin.instance_verbs import DELETE, RESTORE
from hosting.models import Instance
from hosting.selectors.instances import detailed
from hosting.selectors.saving import backups
from hosting.services.saving import backup_stores
from tenants.admin.base import actor, show_refused
from tenants.errors import Refused


@dataclass(frozen=True, slots=True)
class Beginning:
    """One of the two places, as it is offered and asked for."""

    place: str
    title: str
    meaning: tuple[str, ...]
    run: Callable[..., object]


BEGINNINGS: dict[str, Beginning] = {
    each.place: each
    for each in (
        Beginning(
            "first",
            "Begin its backup store anew",
            (
                "Only where what was stored can't be brought back: look after the place first.",
                "Berth leaves all that lies there, and reads it no more. Backups that the second"
                " place has are read from there; all others are gone for good.",
                "The next backup goes into a new repository. Until it is proven there is none in"
                " the first place.",
            ),
            backup_stores.begin_anew,
        ),
        Beginning(
            "second",
            "Begin its copy anew",
            (
                "Berth leaves all that lies in the second place, and reads it no more.",
                "What the first place has is copied again. Backups that the second place alone had"
                " are gone for good.",
            ),
            backup_stores.begin_copy_anew,
        ),
    )
}


def may(request: HttpRequest) -> bool:
    """Whether the person may: it gives up what was saved."""
    return request.user.has_perm(RESTORE) and request.user.has_perm(DELETE)


def offered(instance: Instance, request: HttpRequest) -> list[Beginning]:
    """The places where there is a reason to."""
    if not may(request):
        return []
    found = [BEGINNINGS["first"]] if backups.is_damaged(instance) else []
    return [*found, *([BEGINNINGS["second"]] if backups.is_copy_broken(instance) else [])]


def view(request: HttpRequest, pk: uuid.UUID, place: str) -> HttpResponse:
    """Ask for the instance's name (GET), or begin anew (POST)."""
    if place not in BEGINNINGS:
        raise Http404
    if not may(request):
        raise PermissionDenied
    chosen = BEGINNINGS[place]
    instance = get_object_or_404(detailed(Instance.objects.all()), pk=pk)
    if request.method != "POST":
        return _ask(request, instance, chosen)
    typed = request.POST.get("confirmation", "")
    try:
        chosen.run(instance=instance, confirmation=typed, actor=actor(request))
    except Refused as refused:
        if refused.field == "confirmation":
            return _ask(request, instance, chosen, error=refused.message)
        show_refused(request, refused)
    else:
        messages.success(request, f"{instance.name}: it is begun anew with the next backup.")
    return HttpResponseRedirect(_page(instance))


def _ask(
    request: HttpRequest, instance: Instance, chosen: Beginning, error: str = ""
) -> HttpResponse:
    question = Question(
        title=f"{chosen.title}: {instance.name} of {instance.client}?",
        meaning=chosen.meaning,
        submit=chosen.title,
        back=_page(instance),
        phrase=instance.name,
        is_final=True,
    )
    return ask(request, question, error=error, opts=Instance._meta, original=instance)


def _page(instance: Instance) -> str:
    return reverse("admin:hosting_instance_change", args=[instance.pk])
