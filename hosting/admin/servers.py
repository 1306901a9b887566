"""Servers in the admin: what they can give, what they have given away, whether they answer."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from hosting.admin import acting
from hosting.display import server_state
from hosting.models import Server
from hosting.selectors.capacity import with_reserved
from hosting.selectors.overview import Meter, meters
from hosting.services import servers
from tenants.admin.base import ServiceAdmin, actor
from tenants.display import moment
from tenants.services.actors import Actor

FIELDS = ("engine", "endpoint", "cpus", "memory_mb", "disk_gb", "supernet")
PLACE = ("engine", "endpoint", "supernet")
VERBS: dict[str, tuple[Callable[..., Server], str]] = {
    "cordon": (servers.cordon, "nothing new is placed on it; what is there runs on."),
    "open": (servers.reopen, "new instances can be placed on it again."),
}


@admin.register(Server)
class ServerAdmin(ServiceAdmin[Server]):
    """Capacity is what Berth may give away; beside it stands what it has."""

    list_display = ("name", "state", "cpu", "memory", "disk", "instances", "answered")
    list_filter = (("availability", ChoicesDropdownFilter), ("engine", ChoicesDropdownFilter))
    search_fields = ("name", "endpoint", "supernet")
    actions = ("cordon_selected", "open_selected")
    change_form_outer_before_template = "admin/hosting/server/panel.html"
    fieldsets = (
        (None, {"fields": ("name", "engine", "endpoint")}),
        ("Capacity", {"fields": ("cpus", "memory_mb", "disk_gb")}),
        ("Network", {"fields": ("supernet",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Server]:
        """With what is reserved on each."""
        return with_reserved(super().get_queryset(request))

    def get_readonly_fields(
        self, request: HttpRequest, obj: Server | None = None
    ) -> tuple[str, ...]:
        """The name is for good: it stands in what operations have said.

        Where the server is, only those say who may add servers: whoever can point Berth to an
        engine of their own is handed the secrets of every instance on it.
        """
        if obj is None:
            return ()
        return ("name",) if self.has_add_permission(request) else ("name", *PLACE)

    def create(self, *, form: forms.ModelForm[Server], actor: Actor) -> Server:
        """Through the service."""
        return servers.create(name=form.cleaned_data["name"], actor=actor, **_fields(form))

    def update(self, *, obj: Server, form: forms.ModelForm[Server], actor: Actor) -> None:
        """Through the service."""
        servers.update(server=obj, actor=actor, **_fields(form))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """With what the server has given away."""
        server = self.get_object(request, object_id)
        context = {"panel": _panel(server) if server else None, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def get_urls(self) -> list[URLPattern]:
        """With the verbs, which are only ever posted."""
        route = path(
            "<uuid:pk>/availability/<slug:verb>/",
            self.admin_site.admin_view(self.act),
            name="hosting_server_act",
        )
        return [route, *super().get_urls()]

    def act(self, request: HttpRequest, pk: uuid.UUID, verb: str) -> HttpResponse:
        """Cordon or open one server."""
        server = get_object_or_404(Server, pk=pk)
        if verb not in VERBS:
            raise Http404
        run, said = VERBS[verb]
        return acting.post(
            request,
            allowed=self.has_change_permission(request),
            change=lambda: run(server=server, actor=actor(request)),
            said=f"{server}: {said}",
            page=reverse("admin:hosting_server_change", args=[server.pk]),
        )

    @admin.action(description="Cordon: place nothing new", permissions=["change"])
    def cordon_selected(self, request: HttpRequest, queryset: QuerySet[Server]) -> None:
        """Each by itself: one that refuses stops no other."""
        acting.on_each(request, queryset, servers.cordon, name="server", said="{} cordoned.")

    @admin.action(description="Open for new instances", permissions=["change"])
    def open_selected(self, request: HttpRequest, queryset: QuerySet[Server]) -> None:
        """Each by itself: one that refuses stops no other."""
        acting.on_each(request, queryset, servers.reopen, name="server", said="{} opened.")

    @admin.display(description="State", ordering="availability")
    def state(self, server: Server) -> SafeString:
        """Whether it answers and takes instances."""
        return server_state(server)

    @admin.display(description="CPUs")
    def cpu(self, server: Server) -> SafeString:
        """Reserved of capacity."""
        return _bar(meters(server).cpus)

    @admin.display(description="Memory")
    def memory(self, server: Server) -> SafeString:
        """Reserved of capacity."""
        return _bar(meters(server).memory)

    @admin.display(description="Disk")
    def disk(self, server: Server) -> SafeString:
        """Reserved of capacity."""
        return _bar(meters(server).disk)

    @admin.display(description="Instances", ordering="instance_count")
    def instances(self, server: Server) -> int:
        """How many are on it."""
        return int(server.instance_count)  # type: ignore[attr-defined]  # annotated above

    @admin.display(description="Last answer", ordering="last_answered_at")
    def answered(self, server: Server) -> str:
        """When its engine last answered a worker."""
        return moment(server.last_answered_at, missing="Never asked")


def _panel(server: Server) -> dict[str, Any]:
    given = meters(server)
    is_open = server.availability == Server.Availability.OPEN
    return {
        "badge": server_state(server),
        "answered": moment(server.last_answered_at),
        "instances": server.instance_count,  # type: ignore[attr-defined]  # annotated above
        "meters": (given.cpus, given.memory, given.disk),
        "verb": "cordon" if is_open else "open",
        "verb_label": "Cordon" if is_open else "Open for new instances",
    }


def _bar(meter: Meter) -> SafeString:
    return render_to_string("admin/hosting/meter.html", {"meter": meter})


def _fields(form: forms.ModelForm[Server]) -> servers.ServerFields:
    values: dict[str, Any] = {
        name: form.cleaned_data[name] for name in FIELDS if name in form.cleaned_data
    }
    return cast("servers.ServerFields", values)
