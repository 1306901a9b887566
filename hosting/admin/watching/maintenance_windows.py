"""Planned maintenance in the admin."""

from __future__ import annotations

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from hosting.models import MaintenanceWindow
from hosting.selectors.instances import large
from hosting.services.watching import maintenance_windows
from tenants.admin.base import ServiceAdmin, actor, show_refused
from tenants.display import badge
from tenants.errors import Refused
from tenants.services.actors import Actor


@admin.register(MaintenanceWindow)
class MaintenanceWindowAdmin(ServiceAdmin[MaintenanceWindow]):
    """Planned once and announced; called off, never changed."""

    list_display = ("about", "state", "starts_at", "ends_at", "what", "planned_by_label")
    search_fields = ("what", "server__name", "instance__name", "instance__client__name")
    autocomplete_fields = ("server", "instance")
    fields = ("server", "instance", "starts_at", "ends_at", "what")
    actions = ("cancel_selected",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[MaintenanceWindow]:
        """With what each is about."""
        windows = super().get_queryset(request).select_related("server", "instance__client")
        return windows.defer(*large("instance"))

    def has_change_permission(
        self, request: HttpRequest, obj: MaintenanceWindow | None = None
    ) -> bool:
        """Never: clients were told."""
        return False

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Whoever may change windows may call them off."""
        return request.user.has_perm("hosting.change_maintenancewindow")

    def create(
        self, *, form: forms.ModelForm[MaintenanceWindow], actor: Actor
    ) -> MaintenanceWindow:
        """Through the service."""
        typed = form.cleaned_data
        return maintenance_windows.plan(
            server=typed["server"],
            instance=typed["instance"],
            starts_at=typed["starts_at"],
            ends_at=typed["ends_at"],
            what=typed["what"],
            actor=actor,
            now=timezone.now(),
        )

    @admin.display(description="About")
    def about(self, window: MaintenanceWindow) -> str:
        """The server, the instance, or everything."""
        return str(window.server or window.instance or "Everything")

    @admin.display(description="State")
    def state(self, window: MaintenanceWindow) -> SafeString:
        """Whether it is to come, goes on, or is over."""
        now = timezone.now()
        if window.cancelled_at is not None:
            return badge("Called off", "idle")
        if window.ends_at <= now:
            return badge("Over", "idle")
        return badge("Goes on", "warn") if window.starts_at <= now else badge("Planned", "busy")

    @admin.action(description="Call off, or end now", permissions=("cancel",))
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[MaintenanceWindow]) -> None:
        """Each of them; the clients are told."""
        for each in queryset:
            try:
                maintenance_windows.cancel(window=each, actor=actor(request), now=timezone.now())
            except Refused as refused:
                show_refused(request, refused)
            else:
                messages.success(request, f"The {each} was called off.")
