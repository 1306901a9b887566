"""The admin as a whole: unfold's, without what none of its pages shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

if TYPE_CHECKING:  # unfold is untyped; its site keeps to Django's interface
    from django.contrib.admin import AdminSite
else:
    from unfold.sites import UnfoldAdminSite as AdminSite


class StaffSite(AdminSite):
    """With the sidebar of ``hosting.admin.navigation``."""

    empty_value_display = "–"

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Read where it is looked at: every page is given it, and shows the sidebar instead."""
        read = super().get_app_list
        return SimpleLazyObject(lambda: read(request, app_label))


class StaffAdminConfig(AdminConfig):
    """Django's admin with that site."""

    default_site = "hosting.config.admin.StaffSite"
