"""A member of staff changing their own password: through the service, like everything else."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from unfold.forms import AdminOwnPasswordChangeForm

from tenants.models import User
from tenants.services import users
from tenants.services.actors import Actor


class OwnPasswordForm(AdminOwnPasswordChangeForm):  # type: ignore[misc]  # unfold is untyped
    """Asks for the old password as well; the audit log learns of the new one."""

    def save(self, commit: bool = True) -> User:
        """Let the service write."""
        user: User = self.user
        users.set_password(
            user=user, password=self.cleaned_data["new_password1"], actor=Actor.of(user)
        )
        user.refresh_from_db()  # this session goes on under the new password
        return user


def own_password(
    request: HttpRequest, extra_context: dict[str, Any] | None = None
) -> HttpResponseBase:
    """In place of the admin's own view, which would write past the audit log."""
    view = PasswordChangeView.as_view(
        form_class=OwnPasswordForm,
        success_url=reverse("admin:password_change_done"),
        extra_context={**admin.site.each_context(request), **(extra_context or {})},
    )
    return view(request)


admin.site.password_change = own_password  # type: ignore[method-assign,assignment]
