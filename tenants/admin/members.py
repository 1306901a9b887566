"""Memberships in the admin: who belongs to which client."""

from __future__ import annotations

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from tenants.admin.base import ServiceAdmin, actor
from tenants.admin.clients import MemberForm, refuse_oneself
from tenants.display import moment
from tenants.errors import Refused
from tenants.models import Member
from tenants.services import members
from tenants.services.actors import Actor


class MembershipForm(MemberForm):
    """The client can be chosen for a new member only."""

    class Meta:
        model = Member
        fields = ("client", "user", "role")


@admin.register(Member)
class MemberAdmin(ServiceAdmin[Member]):
    """Whoever may change members may also add and remove them."""

    form = MembershipForm
    list_display = ("user", "email", "client", "role", "since")
    list_filter = (("role", ChoicesDropdownFilter), ("client", AutocompleteSelectFilter))
    list_select_related = ("client", "user")
    search_fields = ("user__email", "user__name", "client__name", "client__slug")
    autocomplete_fields = ("client", "user")
    actions = ("remove_selected",)
    ordering = ("client__name", "user__email")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Part of changing members."""
        return self.has_change_permission(request)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Member | None = None
    ) -> tuple[str, ...]:
        """A membership never moves to someone else."""
        return ("client",) if obj else ()

    def create(self, *, form: forms.ModelForm[Member], actor: Actor) -> Member:
        """Through the service."""
        data = form.cleaned_data
        refuse_oneself(user=data["user"], actor=actor)
        return members.add(client=data["client"], user=data["user"], role=data["role"], actor=actor)

    def update(self, *, obj: Member, form: forms.ModelForm[Member], actor: Actor) -> None:
        """Through the service."""
        refuse_oneself(user=obj.user, actor=actor)
        members.change_role(member=obj, role=form.cleaned_data["role"], actor=actor)

    @admin.action(description="Remove from the client", permissions=["change"])
    def remove_selected(self, request: HttpRequest, queryset: QuerySet[Member]) -> None:
        """Each by itself: one that is refused stops no other."""
        done = 0
        for member in queryset:
            try:
                members.remove(member=member, actor=actor(request))
            except Refused as refused:
                messages.error(request, refused.message)
            else:
                done += 1
        if done:
            messages.success(request, f"Removed {done}.")

    @admin.display(description="E-mail address", ordering="user__email")
    def email(self, member: Member) -> str:
        """What the person logs in with."""
        return member.user.email

    @admin.display(description="Since", ordering="created_at")
    def since(self, member: Member) -> str:
        """How long ago."""
        return moment(member.created_at)
