"""Objects of no instance: what a server holds under Berth's label that nothing here claims."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter

from hosting.admin.building.asking import Question, ask
from hosting.admin.building.tables import link
from hosting.display import stray_state
from hosting.models import Stray
from hosting.services import strays
from tenants.admin.base import ReadOnlyPageAdmin, actor, show_refused
from tenants.display import identifier, moment
from tenants.errors import Refused

REMOVE = "hosting.remove_stray"
WHAT: dict[str, str] = {
    Stray.Kind.CONTAINER: "A container that carries Berth's label. No instance here claims it.",
    Stray.Kind.NETWORK: "A network that carries Berth's label. No instance here claims it.",
    Stray.Kind.VOLUME: "A volume that carries Berth's label. No instance here claims it.",
}
WHY_KEPT: dict[str, str] = {
    Stray.Kind.CONTAINER: (
        "Berth stops it and cuts it off from its networks, so that it can do no harm, and keeps"
        " it: it may belong to another installation, or to a database that was restored."
    ),
    Stray.Kind.NETWORK: "It does no harm. Berth keeps it in case something else relies on it.",
    Stray.Kind.VOLUME: "It may hold the only copy of somebody's data, so Berth keeps it.",
}
GONE: dict[str, str] = {
    Stray.Kind.CONTAINER: (
        "The container is removed with everything it wrote outside of volumes. Volumes stay."
    ),
    Stray.Kind.NETWORK: "The network is removed. What is still connected to it is cut off.",
    Stray.Kind.VOLUME: "The volume is removed, and the data in it is gone for good.",
}


@admin.register(Stray)
class StrayAdmin(ReadOnlyPageAdmin[Stray]):
    """Reported by the reconciler; removed only when someone of the staff has looked."""

    has_history = True
    list_display = ("name", "kind", "server", "claims", "state_now", "note", "first", "last")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("server", RelatedDropdownFilter),
    )
    list_select_related = ("server",)
    search_fields = ("name", "reference", "instance_label", "server__name")
    search_help_text = "Name, instance label or server"

    def get_ordering(self, request: HttpRequest) -> tuple[Any, ...]:
        """What is still there first."""
        return (F("ended_at").desc(nulls_first=True), "-first_seen_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Stray]:
        """With the server."""
        return super().get_queryset(request).select_related("server")

    def page(self, obj: Stray, request: HttpRequest) -> dict[str, Any]:
        """What it is about and what to do."""
        return _page(obj, request)

    def get_urls(self) -> list[URLPattern]:
        """With the removal."""
        view = self.admin_site.admin_view(self.remove)
        return [path("<uuid:pk>/remove/", view, name="hosting_stray_remove"), *super().get_urls()]

    def remove(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Ask for its name (GET), then for a worker to remove it (POST)."""
        if not request.user.has_perm(REMOVE):
            raise PermissionDenied
        stray = get_object_or_404(Stray.objects.select_related("server"), pk=pk)
        page = reverse("admin:hosting_stray_change", args=[stray.pk])
        if request.method != "POST":
            return self._ask(request, stray)
        typed = request.POST.get("confirmation", "").strip()
        try:
            strays.request_removal(stray=stray, confirmation=typed, actor=actor(request))
        except Refused as refused:
            if refused.field == "confirmation":
                return self._ask(request, stray, error=refused.message)
            show_refused(request, refused)
        else:
            messages.success(request, f"{stray} is removed with the next look at {stray.server}.")
        return HttpResponseRedirect(page)

    def _ask(self, request: HttpRequest, stray: Stray, error: str = "") -> HttpResponse:
        question = Question(
            title=f"Remove the {stray.get_kind_display().lower()} {stray.name}?",
            meaning=(GONE[stray.kind], "Nobody can bring it back."),
            submit=f"Remove the {stray.get_kind_display().lower()}",
            back=reverse("admin:hosting_stray_change", args=[stray.pk]),
            phrase=stray.name,
            is_final=True,
        )
        return ask(request, question, error=error, opts=self.opts, original=stray)

    @admin.display(description="Says it belongs to", ordering="instance_label")
    def claims(self, stray: Stray) -> str:
        """The label's beginning: enough to tell two apart in a list."""
        label = stray.instance_label
        return f"{label[:8]}…" if len(label) > 12 else label or "–"

    @admin.display(description="State", ordering="state")
    def state_now(self, stray: Stray) -> SafeString:
        """What became of it."""
        return stray_state(stray)

    @admin.display(description="First seen", ordering="first_seen_at")
    def first(self, stray: Stray) -> str:
        """How long ago."""
        return moment(stray.first_seen_at)

    @admin.display(description="Last seen", ordering="last_seen_at")
    def last(self, stray: Stray) -> str:
        """How long ago."""
        return moment(stray.last_seen_at)


def _page(stray: Stray, request: HttpRequest) -> dict[str, Any]:
    is_asked_for = stray.state == Stray.State.REMOVAL_REQUESTED
    return {
        "title": str(stray),
        "stray": stray,
        "badge": stray_state(stray),
        "what": WHAT[stray.kind],
        "why_kept": WHY_KEPT[stray.kind] if stray.is_there else "",
        "gone": GONE[stray.kind],
        "facts": _facts(stray, may_see_server=request.user.has_perm("hosting.view_server")),
        "may_remove": stray.is_there and not is_asked_for and request.user.has_perm(REMOVE),
    }


def _facts(stray: Stray, *, may_see_server: bool) -> list[tuple[str, object]]:
    server = link(stray.server, "hosting_server_change", stray.server_id, allowed=may_see_server)
    facts: list[tuple[str, object]] = [
        ("Name", identifier(stray.name)),
        ("Server", server),
        ("Says it belongs to", identifier(stray.instance_label)),
        ("First seen", moment(stray.first_seen_at)),
        ("Last seen", moment(stray.last_seen_at)),
        ("Gone", moment(stray.ended_at)),
        ("Known to the engine as", identifier(stray.reference)),
    ]
    return [each for each in facts if each[0] != "Gone" or stray.ended_at]
