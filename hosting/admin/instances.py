"""Instances in the admin: facts to read, buttons that ask for operations."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RelatedDropdownFilter

from hosting.admin import bulk, catalog, instance_page, suspending
from hosting.admin.building.asking import Question, ask
from hosting.admin.instance_filters import AppFilter, PurposeFilter, StateFilter
from hosting.admin.instance_verbs import VERBS, Verb
from hosting.admin.measuring import fleet_page
from hosting.admin.order import OrderForm
from hosting.admin.saving import beginning_anew
from hosting.admin.upgrading import new_versions
from hosting.display import instance_state
from hosting.models import Instance, Operation
from hosting.selectors.instances import LARGE, detailed
from hosting.services import instances
from tenants.admin.base import PageAdmin, ServiceAdmin, actor, show_refused
from tenants.admin.filters import DayFilter
from tenants.display import badge, moment
from tenants.errors import Refused
from tenants.services.actors import Actor


@admin.register(Instance)
class InstanceAdmin(bulk.BulkVerbs, PageAdmin[Instance], ServiceAdmin[Instance]):
    """Nobody edits an instance: it is ordered, and then operated."""

    form = OrderForm
    actions = bulk.ACTIONS
    list_display = ("name", "client", "state_now", "app_version", "plan", "server", "created")
    list_filter = (
        StateFilter,
        PurposeFilter,
        AppFilter,
        ("client", AutocompleteSelectFilter),
        ("server", RelatedDropdownFilter),
        ("plan", RelatedDropdownFilter),
        ("created_at", DayFilter),
    )
    search_fields = ("name", "client__name", "client__slug", "app", "hostnames__name", "id")
    search_help_text = "Name, client, app, address or identifier"
    autocomplete_fields = ("client",)
    ordering = ("client__name", "name")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Instance]:
        """With what the list shows, in a fixed number of queries."""
        rows = detailed(super().get_queryset(request))
        match = request.resolver_match
        is_list = match is not None and match.url_name == "hosting_instance_changelist"
        return rows.defer(*LARGE) if is_list and request.method == "GET" else rows

    def has_change_permission(self, request: HttpRequest, obj: Instance | None = None) -> bool:
        """Never: see the verbs."""
        return False

    def has_start_permission(self, request: HttpRequest) -> bool:
        """Start and restart."""
        return VERBS["start"].allowed(request)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Stop and try again."""
        return VERBS["stop"].allowed(request)

    def has_backup_permission(self, request: HttpRequest) -> bool:
        """Back up."""
        return VERBS["backup"].allowed(request)

    def has_remove_permission(self, request: HttpRequest) -> bool:
        """Delete, by an operation."""
        return VERBS["delete"].allowed(request)

    def get_fieldsets(self, request: HttpRequest, obj: Instance | None = None) -> Any:
        """The order form; an instance that exists has a page of its own."""
        if obj:
            return ()
        return ((None, {"fields": ("client", "app", "plan", "name", "sent_as")}),)

    def get_form(
        self, request: HttpRequest, obj: Instance | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Instance]]:
        """The order form."""
        if obj:
            kwargs["form"] = forms.ModelForm
        return super().get_form(request, obj, change=change, **kwargs)

    def create(self, *, form: forms.ModelForm[Instance], actor: Actor) -> Instance:
        """Order it; the same form sent twice orders once."""
        data = form.cleaned_data
        return instances.order(
            client=data["client"],
            app=data["app"],
            plan=data["plan"].slug,
            name=data["name"],
            actor=actor,
            order_key=data["sent_as"] or None,
        )

    def response_add(
        self, request: HttpRequest, obj: Instance, post_url_continue: str | None = None
    ) -> HttpResponse:
        """On to the operation that brings it up."""
        messages.success(request, f"{obj.name} was ordered for {obj.client}.")
        return HttpResponseRedirect(_newest_operation_page(obj, request))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ordering."""
        context = {"title": "Order an instance", "show_save_and_continue": False}
        return super().add_view(
            request,
            form_url,
            {**context, "show_save_and_add_another": False, **(extra_context or {})},
        )

    def page(self, obj: Instance, request: HttpRequest) -> dict[str, Any]:
        """What it runs as and what happened to it."""
        return instance_page.page_of(obj, request)

    def get_urls(self) -> list[URLPattern]:
        """With the verbs."""
        view = self.admin_site.admin_view
        return [
            path("<uuid:pk>/do/<slug:verb>/", view(self.act), name="hosting_instance_act"),
            path(
                "<uuid:pk>/new-versions/",
                view(new_versions.view),
                name="hosting_instance_new_versions",
            ),
            path("<uuid:pk>/suspend/", view(suspending.suspend), name="hosting_instance_suspend"),
            path("<uuid:pk>/resume/", view(suspending.resume), name="hosting_instance_resume"),
            path(
                "<uuid:pk>/begin-anew/<slug:place>/",
                view(beginning_anew.view),
                name="hosting_instance_begin_anew",
            ),
            path("catalog/", view(catalog.view), name="hosting_catalog"),
            path("fleet/", view(fleet_page.view), name="hosting_fleet"),
            *super().get_urls(),
        ]

    def act(self, request: HttpRequest, pk: uuid.UUID, verb: str) -> HttpResponse:
        """Ask once more (GET), or ask for the operation (POST)."""
        if verb not in VERBS:
            raise Http404
        chosen = VERBS[verb]
        if not chosen.allowed(request):
            raise PermissionDenied
        instance = get_object_or_404(detailed(Instance.objects.all()), pk=pk)
        if request.method != "POST":
            return self._ask(request, instance, chosen)
        more = {"confirmation": request.POST.get("confirmation", "")} if verb == "delete" else {}
        try:
            chosen.run(instance=instance, actor=actor(request), **more)
        except Refused as refused:
            if refused.field == "confirmation":
                return self._ask(request, instance, chosen, error=refused.message)
            show_refused(request, refused)
            return HttpResponseRedirect(_page(instance))
        messages.success(request, f"{instance.name}: “{chosen.label}” is asked for.")
        return HttpResponseRedirect(_newest_operation_page(instance, request))

    def _ask(
        self, request: HttpRequest, instance: Instance, verb: Verb, error: str = ""
    ) -> HttpResponse:
        is_final = verb.name == "delete"
        question = Question(
            title=f"{verb.label} {instance.name} of {instance.client}?",
            meaning=(verb.meaning,),
            submit=verb.label,
            back=_page(instance),
            phrase=instance.name if is_final else "",
            is_final=is_final,
        )
        return ask(request, question, error=error, opts=self.opts, original=instance)

    @admin.display(description="State", ordering="state")
    def state_now(self, instance: Instance) -> SafeString:
        """What is going on, else what is known."""
        active = instance.active_operations  # type: ignore[attr-defined]  # prefetched above
        if active:
            return badge(f"{active[0].get_kind_display()} …", "busy")
        return instance_state(instance)

    @admin.display(description="App", ordering="app")
    def app_version(self, instance: Instance) -> str:
        """The app with its version."""
        return f"{instance.app} {instance.version}"

    @admin.display(description="Ordered", ordering="created_at")
    def created(self, instance: Instance) -> str:
        """How long ago."""
        return moment(instance.created_at)


def _page(instance: Instance) -> str:
    return reverse("admin:hosting_instance_change", args=[instance.pk])


def _newest_operation_page(instance: Instance, request: HttpRequest) -> str:
    """Where the steps can be watched, for whoever may look at operations."""
    operation = Operation.objects.filter(instance=instance).order_by("-requested_at").first()
    if operation is None or not request.user.has_perm("hosting.view_operation"):
        return _page(instance)
    return reverse("admin:hosting_operation_change", args=[operation.pk])
