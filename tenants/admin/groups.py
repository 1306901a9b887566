"""Groups of staff in the admin. What they may do is declared in code, so it is only shown."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from tenants.admin.base import ReadOnlyAdmin

admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(ReadOnlyAdmin[Group]):
    """A person's groups are set on the person's page."""

    list_display = ("name", "people")
    search_fields = ("name",)
    fields = ("name", "people", "may")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        """With the number of people."""
        return super().get_queryset(request).annotate(people=Count("user"))

    @admin.display(description="People", ordering="people")
    def people(self, group: Group) -> int:
        """How many are in it."""
        return int(group.people)  # type: ignore[attr-defined]  # annotated above

    @admin.display(description="May")
    def may(self, group: Group) -> SafeString:
        """Its permissions, by what they are called."""
        names = group.permissions.order_by("content_type__app_label", "name").values_list("name")
        return format_html_join("", "{}<br>", names)
