"""The same verb for many instances at once."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from hosting.admin.building.acting import on_each
from hosting.admin.building.asking import Question, ask
from hosting.display import instance_state
from hosting.models import Instance
from hosting.services import instances
from hosting.services.saving import backups

ACTIONS = (
    "start_selected",
    "restart_selected",
    "retry_selected",
    "stop_selected",
    "back_up_selected",
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

    @admin.action(description="Back up", permissions=["backup"])
    def back_up_selected(self, request: HttpRequest, queryset: QuerySet[Instance]) -> None:
        """Back up those that have data."""
        on_each(request, queryset, backups.request, name="instance", said="Backing up {}.")

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
        error = "" if typed is None else f"Type {phrase} to delete them."
        return _ask_for_many(request, chosen, phrase, error)


def _ask_for_many(
    request: HttpRequest, chosen: list[Instance], phrase: str, error: str
) -> HttpResponse:
    """The list's action is posted again with what was typed."""
    many = "instance" if len(chosen) == 1 else "instances"
    question = Question(
        title=f"Delete {len(chosen)} {many}?",
        meaning=(
            "The services, databases, files and keys of these instances are removed for good:",
        ),
        submit="Delete",
        back=reverse("admin:hosting_instance_changelist"),
        phrase=phrase,
        is_final=True,
    )
    return ask(
        request,
        question,
        error=error,
        opts=Instance._meta,
        chosen=[_named(each) for each in chosen],
        hidden=[
            ("action", "delete_instances"),
            *((ACTION_CHECKBOX_NAME, each.pk) for each in chosen),
        ],
    )


def _named(instance: Instance) -> SafeString:
    return format_html(
        "<strong>{}</strong> of {} {}", instance.name, instance.client, instance_state(instance)
    )
