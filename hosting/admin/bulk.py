"""The same verb for many instances at once."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from hosting.admin.acting import on_each
from hosting.models import Instance
from hosting.services import instances

ACTIONS = (
    "start_selected",
    "restart_selected",
    "retry_selected",
    "stop_selected",
    "delete_instances",
)


class BulkVerbs:
    """The list's actions. Each instance is asked for by itself: one that refuses stops no other."""

    @admin.action(description="Start", permissions=["start"])
    def start_selected(self, request: HttpRequest, queryset: QuerySet[Instance]) -> None:
        """Start those that are stopped."""
        on_each(request, queryset, instances.start, name="instance", said="Starting {}.")

    @admin.action(description="Restart", permissions=["start"])
    def restart_selected(self, request: HttpRequest, queryset: QuerySet[Instance]) -> None:
        """Restart those that run."""
        on_each(request, queryset, instances.restart, name="instance", said="Restarting {}.")

    @admin.action(description="Try again", permissions=["operate"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Instance]) -> None:
        """Bring up those that failed."""
        on_each(request, queryset, instances.retry, name="instance", said="Trying {} again.")

    @admin.action(description="Stop", permissions=["operate"])
    def stop_selected(self, request: HttpRequest, queryset: QuerySet[Instance]) -> None:
        """Stop those that run."""
        on_each(request, queryset, instances.stop, name="instance", said="Stopping {}.")

    @admin.action(description="Delete with all data …", permissions=["remove"])
    def delete_instances(
        self, request: HttpRequest, queryset: QuerySet[Instance]
    ) -> HttpResponse | None:
        """Delete them, after a page that lists them and wants their number typed."""
        chosen = list(queryset)
        phrase = f"delete {len(chosen)}"
        typed = request.POST.get("confirmation")
        if typed == phrase:
            on_each(
                request,
                queryset,
                instances.delete,
                name="instance",
                said="Deleting {}.",
                extra=lambda instance: {"confirmation": instance.name},
            )
            return None
        context = self._confirmation(request, chosen, phrase)
        if typed is not None:
            context["error"] = f"Type {phrase} to delete them."
            context["typed"] = typed
        return TemplateResponse(request, "admin/hosting/instance/confirm_many.html", context)

    def _confirmation(
        self, request: HttpRequest, chosen: list[Instance], phrase: str
    ) -> dict[str, Any]:
        site: admin.AdminSite = self.admin_site  # type: ignore[attr-defined]  # a mix-in
        return {
            **site.each_context(request),
            "title": "Delete instances?",
            "opts": Instance._meta,
            "chosen": chosen,
            "phrase": phrase,
            "checkbox": ACTION_CHECKBOX_NAME,
        }
