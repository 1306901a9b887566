"""Which instances come near a limit of their plans, and which did."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter

from hosting.admin.building.open_filter import OpenFilter
from hosting.admin.building.tables import beside
from hosting.models import LimitWarning
from hosting.selectors.measuring import limit_warnings
from tenants.admin.base import ReadOnlyAdmin
from tenants.admin.filters import DayFilter
from tenants.display import badge, moment


@admin.register(LimitWarning)
class LimitWarningAdmin(ReadOnlyAdmin[LimitWarning]):
    """Berth opens and closes them; people look."""

    list_display = ("kind", "state", "about", "summary", "would_do", "since", "over")
    list_filter = (
        OpenFilter,
        ("kind", ChoicesDropdownFilter),
        ("instance__plan", RelatedDropdownFilter),
        ("opened_at", DayFilter),
    )
    search_fields = ("summary", "instance__name", "instance__client__name")
    search_help_text = "Words of the sentence, instance or client"
    fields = ("instance", "kind", "summary", "plan", "full_date", "opened_at", "closed_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[LimitWarning]:
        """With what they are about."""
        return limit_warnings.all_of_them()

    def get_ordering(self, request: HttpRequest) -> tuple[Any, ...]:
        """Those that go on first."""
        return (F("closed_at").desc(nulls_first=True), "-opened_at")

    @admin.display(description="State", ordering="closed_at")
    def state(self, warning: LimitWarning) -> SafeString:
        """Whether it goes on."""
        return badge("Over", "ok") if warning.closed_at else badge("Goes on", "warn")

    @admin.display(description="Instance", ordering="instance__name")
    def about(self, warning: LimitWarning) -> SafeString:
        """The instance and its client."""
        return beside(warning.instance.name, warning.instance.client)

    @admin.display(description="Plan that would do")
    def would_do(self, warning: LimitWarning) -> str:
        """The smallest that is offered and large enough."""
        return str(warning.plan or "–")

    @admin.display(description="Since", ordering="opened_at")
    def since(self, warning: LimitWarning) -> str:
        """How long ago it began."""
        return moment(warning.opened_at)

    @admin.display(description="Ended", ordering="closed_at")
    def over(self, warning: LimitWarning) -> str:
        """How long ago it was over."""
        return moment(warning.closed_at, missing="Not yet")
