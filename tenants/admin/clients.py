"""Clients and their members in the admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import BooleanRadioFilter

from tenants.admin.base import ModelForm, PageAdmin, ServiceAdmin, TabularInline, actor
from tenants.admin.filters import DayFilter
from tenants.display import badge, moment
from tenants.errors import Refused
from tenants.models import Client, Member, User
from tenants.services import clients, members
from tenants.services.actors import Actor

Panel = Callable[[Client, HttpRequest], SafeString]
PANELS: list[Panel] = []
"""What rooms above show on a client's page, below its members; they add to it when they load."""


def refuse_oneself(*, user: User, actor: Actor) -> None:
    """Refused where staff give themselves a role at a client, and more than their group may.

    Superusers may do everything anyway.
    """
    if str(user.pk) == actor.id and not user.is_superuser:
        raise Refused("You can't give yourself a role at a client; ask a colleague.", field="user")


class MemberForm(ModelForm[Member]):
    """A member's role can change; who it is can't."""

    class Meta:
        model = Member
        fields = ("user", "role")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "user" in self.fields:
            self.fields["user"].disabled = True


class MemberInline(TabularInline[Member, Client]):
    """The client's members; whoever may change members may also add and remove them."""

    model = Member
    form = MemberForm
    autocomplete_fields = ("user",)
    extra = 0
    hide_title = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Member]:
        """With the users and the client, whose names stand in each row."""
        return super().get_queryset(request).select_related("user", "client")

    def has_add_permission(self, request: HttpRequest, obj: Client | None = None) -> bool:
        """Part of changing members."""
        return self.has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Part of changing members."""
        return self.has_change_permission(request)


_DAYS_FOLLOW = (
    "Times follow another time zone at once. Days of usage and billing are counted by it from the"
    " first day on that can be, usually tomorrow."
)


def _when_days_follow(client: Client) -> str:
    """Nothing where they are counted by its present time zone already."""
    first = client.clock.next_move(now=timezone.now())
    return f"Days are counted by the new clock from {first:%-d %B %Y} on." if first else ""


@admin.register(Client)
class ClientAdmin(PageAdmin[Client], ServiceAdmin[Client]):
    """A client is never deleted here: it is set inactive, and keeps what it has."""

    list_display = ("name", "slug", "status", "member_count", "timezone", "since")
    list_filter = (("is_active", BooleanRadioFilter), ("created_at", DayFilter))
    search_fields = ("name", "slug", "members__user__email", "id")
    search_help_text = "Name, short name, a member's address or identifier"
    ordering = ("name", "slug")  # said here: where rows are counted, the model's own is not used
    inlines = (MemberInline,)
    change_form_outer_after_template = "admin/tenants/client/panels.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Client]:
        """With the number of members."""
        return super().get_queryset(request).annotate(member_count=Count("members", distinct=True))

    def get_fieldsets(self, request: HttpRequest, obj: Client | None = None) -> Any:
        """A new client is always active."""
        rows = ("name", "slug", "timezone", "is_active") if obj else ("name", "slug", "timezone")
        return ((None, {"fields": rows}),)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Client | None = None
    ) -> tuple[str, ...]:
        """The short name is for good."""
        return ("slug",) if obj else ()

    def page(self, obj: Client, request: HttpRequest) -> dict[str, Any]:
        """What rooms above know of the client."""
        return {"panels": [panel(obj, request) for panel in PANELS]}

    def get_form(
        self, request: HttpRequest, obj: Client | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Client]]:
        """Which says from when on days are counted by another time zone."""
        form = super().get_form(request, obj, change=change, **kwargs)
        if obj is not None and "timezone" in form.base_fields:
            form.base_fields["timezone"].help_text = _when_days_follow(obj) or _DAYS_FOLLOW
        return form

    def save_model(
        self, request: HttpRequest, obj: Client, form: forms.ModelForm[Client], change: bool
    ) -> None:
        """Through the service; a move to another time zone is told with its first day."""
        super().save_model(request, obj, form, change)
        if change and "timezone" in form.changed_data:
            said = _when_days_follow(Client.objects.get(pk=obj.pk))
            self.message_user(request, said or "Days go on being counted by the clock they were.")

    def create(self, *, form: forms.ModelForm[Client], actor: Actor) -> Client:
        """Through the service, which makes its data key."""
        data = form.cleaned_data
        return clients.create(
            name=data["name"], slug=data["slug"], timezone=data["timezone"], actor=actor
        )

    def update(self, *, obj: Client, form: forms.ModelForm[Client], actor: Actor) -> None:
        """Through the service."""
        data = form.cleaned_data
        clients.update(
            client=obj,
            name=data["name"],
            timezone=data["timezone"],
            is_active=data["is_active"],
            actor=actor,
        )

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Members by the service; added and changed first, so that an owner can be replaced."""
        formset.save(commit=False)
        author = actor(request)
        for member in formset.new_objects:
            refuse_oneself(user=member.user, actor=author)
            members.add(client=form.instance, user=member.user, role=member.role, actor=author)
        for member, _ in formset.changed_objects:
            refuse_oneself(user=member.user, actor=author)
            members.change_role(member=member, role=member.role, actor=author)
        for member in formset.deleted_objects:
            members.remove(member=member, actor=author)

    @admin.display(description="State", ordering="is_active")
    def status(self, client: Client) -> SafeString:
        """Whether it may change anything."""
        return badge("Active", "ok") if client.is_active else badge("Inactive", "idle")

    @admin.display(description="Members", ordering="member_count")
    def member_count(self, client: Client) -> int:
        """How many people belong to it."""
        return int(client.member_count)  # type: ignore[attr-defined]  # annotated above

    @admin.display(description="Client since", ordering="created_at")
    def since(self, client: Client) -> str:
        """How long ago it was made."""
        return moment(client.created_at)
