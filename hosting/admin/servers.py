"""Servers in the admin: whether they answer, what they have given away, what is done to all."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from hosting.admin import server_page
from hosting.admin.building import acting
from hosting.admin.working import waves
from hosting.display import bar
from hosting.models import Server
from hosting.selectors.capacity import with_reserved
from hosting.selectors.measuring.meters import meters
from hosting.selectors.servers import with_work
from hosting.services import servers
from tenants.admin.base import PageAdmin, ServiceAdmin, actor
from tenants.services.actors import Actor

CAPACITY = ("cpus", "memory_mb", "disk_gb", "parallel_operations")
PLACE = ("engine", "endpoint", "supernet")
VERBS: dict[str, tuple[Callable[..., Server], str]] = {
    "cordon": (servers.cordon, "nothing new is placed on it; what is there runs on."),
    "open": (servers.reopen, "new instances can be placed on it again."),
}


@admin.register(Server)
class ServerAdmin(PageAdmin[Server], ServiceAdmin[Server]):
    """Capacity is what Berth may give away; beside it stands what it has."""

    list_display = ("name", "state", "work", "cpu", "memory", "disk", "instances")
    list_filter = (("availability", ChoicesDropdownFilter), ("engine", ChoicesDropdownFilter))
    search_fields = ("name", "endpoint", "supernet")
    actions = ("cordon_selected", "open_selected")
    change_form_outer_before_template = "admin/hosting/server/panel.html"
    change_form_outer_after_template = "admin/hosting/server/all.html"
    fieldsets = (
        (None, {"fields": ("name", "engine", "endpoint")}),
        ("Capacity", {"fields": CAPACITY}),
        ("Network", {"fields": ("supernet",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Server]:
        """With what is reserved on each, and what goes on there."""
        return with_work(with_reserved(super().get_queryset(request)))

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

    def page(self, obj: Server, request: HttpRequest) -> dict[str, Any]:
        """What the server has given away, and what goes on there."""
        return server_page.context(obj, request)

    def get_urls(self) -> list[URLPattern]:
        """With the verbs: posted at once, or asked for once more where they reach instances."""
        view = self.admin_site.admin_view
        return [
            path("<uuid:pk>/availability/<slug:verb>/", view(self.act), name="hosting_server_act"),
            path("<uuid:pk>/drain/", view(waves.drain), name="hosting_server_drain"),
            path("<uuid:pk>/all/<slug:kind>/", view(waves.view), name="hosting_server_all"),
            *super().get_urls(),
        ]

    def act(self, request: HttpRequest, pk: uuid.UUID, verb: str) -> HttpResponse:
        """Cordon or open one server."""
        server = get_object_or_404(Server, pk=pk)
        if verb not in VERBS:
            raise Http404
        run, said = VERBS[verb]
        if verb == "open" and server.availability == Server.Availability.DRAINING:
            said = "it is open again, and what the drain had stopped starts again."
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
        """Whether it answers, since when not, and whether it takes instances."""
        return server_page.state(server)

    @admin.display(description="Operations")
    def work(self, server: Server) -> SafeString:
        """How many are worked on of how many at once, and how many wait."""
        return server_page.work(server)

    @admin.display(description="CPUs")
    def cpu(self, server: Server) -> SafeString:
        """Reserved of capacity."""
        return bar(meters(server).cpus)

    @admin.display(description="Memory")
    def memory(self, server: Server) -> SafeString:
        """Reserved of capacity."""
        return bar(meters(server).memory)

    @admin.display(description="Disk", ordering="disk_free_bytes")
    def disk(self, server: Server) -> SafeString:
        """Reserved of capacity, and below what is free in truth."""
        return server_page.disk(server)

    @admin.display(description="Instances", ordering="instance_count")
    def instances(self, server: Server) -> int:
        """How many are on it."""
        return int(server.instance_count)  # type: ignore[attr-defined]  # annotated above


def _fields(form: forms.ModelForm[Server]) -> servers.ServerFields:
    values: dict[str, Any] = {
        name: form.cleaned_data[name] for name in (*PLACE, *CAPACITY) if name in form.cleaned_data
    }
    return cast("servers.ServerFields", values)
