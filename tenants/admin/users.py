"""Users in the admin: they log in with their address; passwords are set, never shown."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import password_validators_help_text_html
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import BooleanRadioFilter, RelatedDropdownFilter
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminPasswordWidget

from tenants.admin.base import ModelForm, ServiceAdmin, actor
from tenants.display import badge, moment
from tenants.errors import Refused
from tenants.models import Member, User
from tenants.services import users
from tenants.services.actors import Actor


def _password_field(label: str, **more: Any) -> forms.CharField:
    widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
    return forms.CharField(label=label, strip=False, widget=widget, **more)


class PasswordForm(forms.Form):
    """A password, twice. Whether it is good enough the service says."""

    password = _password_field("New password", help_text=password_validators_help_text_html)
    again = _password_field("New password again")

    def clean(self) -> dict[str, Any]:
        """Both the same."""
        data = super().clean() or {}
        if data.get("password") != data.get("again"):
            self.add_error("again", "The two passwords are not the same.")
        return data


class UserForm(ModelForm[User]):
    """A person. Without a password there is no log-in until one is set."""

    password = _password_field(
        "Password",
        required=False,
        help_text="Leave it empty for someone who shall not log in yet.",
    )
    groups = forms.ModelMultipleChoiceField(
        queryset=Group.objects.order_by("name"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text="What members of staff may do in this admin.",
    )

    class Meta:
        model = User
        fields = ("email", "name", "is_active", "is_staff", "is_superuser", "groups")
        labels = {"is_staff": "Staff", "is_superuser": "Superuser"}
        help_texts = {
            "is_active": "Inactive people can't log in; what they did stays in the log.",
            "is_staff": "May log in to this admin, and do there what the groups below allow.",
            "is_superuser": "May do everything in this admin.",
        }

    def clean_email(self) -> str:
        """Addresses are kept in lower case."""
        return str(self.cleaned_data["email"]).lower()


@admin.register(User)
class UserAdmin(ServiceAdmin[User]):
    """Nobody is deleted: an inactive user can't log in, and the log keeps the name."""

    form = UserForm
    list_display = ("email", "name", "status", "in_groups", "clients", "seen")
    list_filter = (
        ("is_staff", BooleanRadioFilter),
        ("is_active", BooleanRadioFilter),
        ("groups", RelatedDropdownFilter),
    )
    search_fields = ("email", "name")
    ordering = ("email",)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Never by the password: whoever may only look could guess its hash letter by letter."""
        return not lookup.startswith("password") and super().lookup_allowed(lookup, value, request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """With groups and memberships, which the list shows."""
        return super().get_queryset(request).prefetch_related("groups", "memberships__client")

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """A password at first; later it has a page of its own."""
        rights = ("Staff", {"fields": ("is_staff", "is_superuser", "groups")})
        if obj is None:
            return ((None, {"fields": ("email", "name", "password")}), rights)
        person = (None, {"fields": ("email", "name", "is_active")})
        return (person, rights, ("Elsewhere", {"fields": ("memberships", "last_login")}))

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """What is not changed here."""
        return ("memberships", "last_login") if obj else ()

    def create(self, *, form: forms.ModelForm[User], actor: Actor) -> User:
        """Through the service."""
        data = form.cleaned_data
        return users.create(
            email=data["email"],
            name=data["name"],
            password=data["password"] or None,
            is_staff=data["is_staff"],
            is_superuser=data["is_superuser"],
            groups=[group.name for group in data["groups"]],
            actor=actor,
        )

    def update(self, *, obj: User, form: forms.ModelForm[User], actor: Actor) -> None:
        """Through the service."""
        data = form.cleaned_data
        users.update(
            user=obj,
            email=data["email"],
            name=data["name"],
            is_active=data["is_active"],
            is_staff=data["is_staff"],
            is_superuser=data["is_superuser"],
            groups=[group.name for group in data["groups"]],
            actor=actor,
        )

    def get_urls(self) -> list[URLPattern]:
        """With the page that sets a password."""
        view = self.admin_site.admin_view(self.password)
        return [
            path("<uuid:pk>/password/", view, name="tenants_user_password"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """With the way to the password."""
        page = reverse("admin:tenants_user_password", args=[object_id])
        may = self.has_change_permission(request)
        context = {"password_page": page if may else "", **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def password(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Set a person's password."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        user = get_object_or_404(User, pk=pk)
        form = PasswordForm(request.POST or None)
        if form.is_valid() and self._set(request, user, form):
            return HttpResponseRedirect(reverse("admin:tenants_user_change", args=[user.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Set the password of {user}",
            "opts": self.opts,
            "original": user,
            "form": form,
        }
        return TemplateResponse(request, "admin/tenants/user/password.html", context)

    def _set(self, request: HttpRequest, user: User, form: PasswordForm) -> bool:
        try:
            users.set_password(
                user=user, password=form.cleaned_data["password"], actor=actor(request)
            )
        except Refused as refused:
            form.add_error("password", refused.message)
            return False
        messages.success(request, f"The password of {user.email} was set.")
        return True

    @admin.display(description="State", ordering="is_active")
    def status(self, user: User) -> SafeString:
        """Whether the person can log in, and as what."""
        if not user.is_active:
            return badge("Inactive", "idle")
        if user.is_superuser:
            return badge("Superuser", "warn")
        return badge("Staff", "ok") if user.is_staff else badge("Active", "ok")

    @admin.display(description="Groups")
    def in_groups(self, user: User) -> str:
        """Groups of staff."""
        return ", ".join(sorted(group.name for group in user.groups.all())) or "–"

    @admin.display(description="Clients")
    def clients(self, user: User) -> str:
        """Where the person is a member."""
        return ", ".join(sorted(each.client.name for each in _memberships(user))) or "–"

    @admin.display(description="Memberships")
    def memberships(self, user: User) -> SafeString | str:
        """Where the person is a member, and as what."""
        rows = [
            (
                reverse("admin:tenants_client_change", args=[each.client_id]),
                each.client.name,
                each.get_role_display(),
            )
            for each in _memberships(user)
        ]
        return format_html_join("", '<div><a href="{}">{}</a>, {}</div>', rows) or "–"

    @admin.display(description="Last log-in", ordering="last_login")
    def seen(self, user: User) -> str:
        """How long ago the person logged in."""
        return moment(user.last_login, missing="Never")


def _memberships(user: User) -> list[Member]:
    return list(user.memberships.all())
