"""A new instance from a backup: staff choose its server, where it matters."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from hosting import hooks
from hosting.admin.building.asking import Question, ask
from hosting.admin.instance_verbs import RESTORE
from hosting.admin.order import price_plans
from hosting.admin.saving.places import PlaceForm
from hosting.models import Backup, Instance, Plan, Server
from hosting.selectors import capacity
from hosting.selectors.saving import backups
from hosting.services import placement
from hosting.services.saving import clones
from tenants.admin.base import actor
from tenants.display import moment
from tenants.errors import Refused
from tenants.models import Client

ORDER = "hosting.add_instance"
_SELECT = forms.Select(attrs={"class": "b-input"})


class CloneForm(PlaceForm):
    """What a client's own form asks for, and the server, which no client sees."""

    name = forms.CharField(
        label="Name",
        max_length=63,
        widget=forms.TextInput(attrs={"class": "b-input", "autocomplete": "off"}),
        help_text="Part of the instance's address: lower-case letters, digits and hyphens.",
        error_messages={"required": "Give it a name."},
    )
    plan = forms.ModelChoiceField(
        queryset=Plan.objects.filter(is_active=True),
        to_field_name="slug",
        empty_label=None,
        widget=_SELECT,
        error_messages={"invalid_choice": "Choose one of these plans."},
    )
    server = forms.ChoiceField(
        label="Server",
        required=False,
        widget=_SELECT,
        help_text="Those that take nothing new are not offered.",
        error_messages={"invalid_choice": "This server takes nothing new; choose another one."},
    )

    field_order = ("name", "plan", "server", "place")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        price_plans(self.fields["plan"], _prices(kwargs["backup"].instance.client))
        choice = self.fields["server"]
        if isinstance(choice, forms.ChoiceField):
            choice.choices = [("", "The one with the most memory free"), *_servers()]


def may(request: HttpRequest) -> bool:
    """Whoever may have an instance restored, and may order one."""
    return request.user.has_perms((RESTORE, ORDER))


def clone(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Ask what it is to be (GET), or order it (POST); once for each form that was opened."""
    if not may(request):
        raise PermissionDenied
    backup = get_object_or_404(backups.for_staff().select_related("instance__plan"), pk=pk)
    initial = {"plan": backup.instance.plan.slug}
    form = CloneForm(request.POST or None, backup=backup, initial=initial)
    if request.method != "POST" or not form.is_valid():
        return _ask(request, backup, form)
    wanted = form.cleaned_data
    try:
        made = clones.request(
            backup=backup,
            name=wanted["name"],
            plan=wanted["plan"].slug,
            server=Server.objects.filter(name=wanted["server"]).first(),
            actor=actor(request),
            order_key=request.POST.get("sent_as") or None,
            is_from_copy=form.is_from_copy,
        )
    except Refused as refused:
        form.add_error(refused.field if refused.field in form.fields else None, refused.message)
        return _ask(request, backup, form)
    messages.success(request, f"{made.name} was ordered for {made.client}.")
    return _follow(request, made)


def _prices(client: Client) -> Mapping[uuid.UUID, str]:
    """What each plan costs that client."""
    plans = list(Plan.objects.filter(is_active=True))
    notes = hooks.plan_notes(client=client, plans=plans, now=timezone.now())
    return {plan: note.words for plan, note in notes.items()}


def _servers() -> list[tuple[str, str]]:
    """The open ones with what is left there."""
    open_ones = Server.objects.filter(availability=Server.Availability.OPEN).order_by("name")
    return [
        (room.server.name, f"{room.server}: {placement.free_on(room)} free")
        for room in capacity.room_on(open_ones)
    ]


def _ask(request: HttpRequest, backup: Backup, form: CloneForm) -> HttpResponse:
    source = backup.instance
    question = Question(
        title=f"Make a new instance of {source.client} from this backup?",
        meaning=(
            format_html("It begins with the data of {} of {}.", source, moment(backup.taken_at)),
            "It has an address, a network and passwords of its own. The app's keys come with the"
            " data, its version and images are those of then.",
            f"{source.name} is not touched."
            if source.state != Instance.State.DELETED
            else f"{source.name} was deleted.",
        ),
        submit="Make the instance",
        back=reverse("admin:hosting_backup_change", args=[backup.pk]),
        form=form,
    )
    sent_as = request.POST.get("sent_as") or uuid.uuid4().hex
    hidden = [("sent_as", sent_as)]
    return ask(request, question, opts=Backup._meta, original=backup, hidden=hidden)


def _follow(request: HttpRequest, made: Instance) -> HttpResponse:
    """Where it can be watched, for whoever may look at it."""
    operation = made.operations.order_by("-requested_at").first()
    if operation is not None and request.user.has_perm("hosting.view_operation"):
        page = reverse("admin:hosting_operation_change", args=[operation.pk])
        return HttpResponseRedirect(page)
    return HttpResponseRedirect(reverse("admin:hosting_instance_change", args=[made.pk]))
