"""What is done to all instances of a server: asked for here, in waves."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from hosting.admin.building.asking import Question, ask
from hosting.models import FleetAction, Operation, Server
from hosting.selectors import servers as reading
from hosting.services import servers
from hosting.services.working import fleet
from tenants.admin.base import actor, show_refused
from tenants.errors import Refused

BEGIN = "hosting.add_fleetaction"
CHANGE = "hosting.change_server"
MEANING: dict[str, str] = {
    Operation.Kind.RESTART: "Their services stop and start again; none can be reached meanwhile.",
    Operation.Kind.STOP: "Their services stop and their addresses say so. Their data stays.",
    Operation.Kind.START: "Their services start again and their addresses lead to them.",
}
MOST = 1000  # instances at a time: a server has hardly more


class WavesForm(forms.Form):
    """How many at a time, and when to give up."""

    wave_size = forms.IntegerField(
        label="Instances at a time",
        min_value=1,
        max_value=MOST,
        initial=5,
        help_text="The next wave begins when the whole one before it has ended.",
        error_messages={"min_value": "A wave has at least one instance."},
    )
    most_failures = forms.IntegerField(
        label="Failures that are accepted",
        min_value=0,
        max_value=MOST,
        initial=1,
        help_text="When more than so many have failed, it stops itself and leaves the rest alone.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = "b-input b-input-number"
            field.error_messages |= {
                "required": "Type a number.",
                "invalid": "Type a whole number.",
            }


class DrainForm(WavesForm):
    """A drain stops what it can: one that won't stop is no reason to leave the others running."""

    most_failures = None  # type: ignore[assignment]  # Django's way to leave a field out


def view(request: HttpRequest, pk: uuid.UUID, kind: str) -> HttpResponse:
    """Restart, stop or start every instance of a server."""
    if not request.user.has_perm(BEGIN):
        raise PermissionDenied
    if kind not in fleet.OFFERED:
        raise Http404
    server = get_object_or_404(Server, pk=pk)
    form = WavesForm(request.POST or None)
    question = _question(server, kind, form)
    if not form.is_valid():
        return ask(request, question, opts=Server._meta, original=server)
    try:
        action = fleet.begin_on_server(
            server=server, kind=kind, actor=actor(request), **form.cleaned_data
        )
    except Refused as refused:
        return _refused(request, question, form, refused, server)
    return _follow(request, server, action)


def drain(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Empty a server for maintenance."""
    if not request.user.has_perms((BEGIN, CHANGE)):
        raise PermissionDenied
    server = get_object_or_404(Server, pk=pk)
    form = DrainForm(request.POST or None)
    question = _drain_question(server, form)
    if not form.is_valid():
        return ask(request, question, opts=Server._meta, original=server)
    try:
        action = servers.drain(server=server, actor=actor(request), **form.cleaned_data)
    except Refused as refused:
        return _refused(request, question, form, refused, server)
    return _follow(request, server, action)


def _question(server: Server, kind: str, form: WavesForm) -> Question:
    verb = Operation.Kind(kind).label
    count = reading.concerned(server, states=fleet.OFFERED[kind]).count()
    return Question(
        title=f"{verb} all instances on {server}?",
        meaning=(_reaches(count), MEANING[kind], "Each is asked for by itself, in your name."),
        submit=f"{verb} {_instances(count)}" if count else f"{verb} all",
        back=_page(server),
        form=form,
    )


def _drain_question(server: Server, form: WavesForm) -> Question:
    count = reading.running(server)
    stops = (
        f"{_instances(count)} on it {'is' if count == 1 else 'are'} stopped, in waves."
        " Their addresses say so. Their data stays where it is."
        if count
        else "Nothing runs on it, so nothing has to be stopped."
    )
    return Question(
        title=f"Drain {server}?",
        meaning=(
            stops,
            "Nothing new is placed on it and nothing can be started there.",
            "“Reopen” starts again what the drain stopped.",
        ),
        submit="Drain",
        back=_page(server),
        form=form,
    )


def _reaches(count: int) -> str:
    return f"This reaches {_instances(count)} now." if count else "This reaches no instance now."


def _instances(count: int) -> str:
    return f"{count} instance{'' if count == 1 else 's'}"


def _refused(
    request: HttpRequest, question: Question, form: forms.Form, refused: Refused, server: Server
) -> HttpResponse:
    """At the field it is about, else on the server's page."""
    if refused.field in form.fields:
        form.add_error(refused.field, refused.message)
        return ask(request, question, opts=Server._meta, original=server)
    show_refused(request, refused)
    return HttpResponseRedirect(_page(server))


def _follow(request: HttpRequest, server: Server, action: FleetAction | None) -> HttpResponse:
    """Where it can be watched, for whoever may look at it."""
    if action is None:
        messages.success(request, f"{server} is drained: nothing runs on it.")
    elif request.user.has_perm("hosting.view_fleetaction"):
        return HttpResponseRedirect(reverse("admin:hosting_fleetaction_change", args=[action.pk]))
    return HttpResponseRedirect(_page(server))


def _page(server: Server) -> str:
    return reverse("admin:hosting_server_change", args=[server.pk])
