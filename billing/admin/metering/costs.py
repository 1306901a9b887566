"""What was spent on language models, in the admin."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from billing.models import ModelCost
from billing.selectors import costs
from hosting.models import Instance
from tenants.admin import searching
from tenants.admin.base import ReadOnlyAdmin
from tenants.admin.days import Between
from tenants.display import badge, number


class PricedFilter(admin.SimpleListFilter):
    """What has a rate, and what waits for one."""

    title = "price"
    parameter_name = "priced"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[ModelCost]
    ) -> Iterable[tuple[str, str]]:
        """Both."""
        return (("no", "Without a rate"), ("yes", "Priced"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[ModelCost]) -> QuerySet[ModelCost]:
        """Only what was chosen."""
        if self.value() is None:
            return queryset
        return queryset.filter(rate__isnull=self.value() == "no")


@admin.register(ModelCost)
class ModelCostAdmin(ReadOnlyAdmin[ModelCost]):
    """To read: it is computed from what apps report and the rates."""

    list_display = ("on", "instance", "model", "requests", "input", "output", "cached", "price")
    list_select_related = ("instance__client",)
    list_filter = (PricedFilter,)
    search_fields = ("model", "instance__name", "instance__client__name")
    date_hierarchy = "on"
    fields = (
        *("instance", "model", "on", "requests", "input", "output", "cached"),
        *("rate", "price"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelCost]:
        """Rows of years, of which the days to choose from are not looked for one by one."""
        return Between(ModelCost)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ModelCost], search_term: str
    ) -> tuple[QuerySet[ModelCost], bool]:
        """By the few models and instances that have the words; the rows are only looked up."""
        models = costs.models() if search_term.strip() else ()
        for word in searching.words(search_term):
            named = [each for each in models if word.upper() in each.upper()]
            found = searching.having(Instance, ("name", "client__name"), word)
            instances = [each["pk"] for each in found]
            queryset = queryset.filter(Q(model__in=named) | Q(instance__in=instances))
        return queryset, False

    @admin.display(description="Cost", ordering="amount")
    def price(self, cost: ModelCost) -> SafeString | str:
        """The exact amount, to the sixth place; flagged where there is no rate."""
        if cost.amount is None:
            return badge("No rate", "warn")
        return f"{cost.currency} {number(round(cost.amount, 6))}"
