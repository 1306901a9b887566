"""What this room shows on hosting's pages, which know no money."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from billing.models import DunningSuspension
from billing.selectors import costs
from billing.selectors.costs import Dear
from billing.views import cost_charts, plan_notes
from billing.views.money import say
from hosting import hooks
from hosting.hooks import FleetPanel, Ranked, Ranking, UsageChart, UsagePanel, WayOut
from hosting.models import Instance
from tenants.permissions import Permission

MOST = 10
LOOKED_BACK = timedelta(days=1)  # of more days a fleet's page would take too long
TITLE = "Cost of language models since yesterday"


def register() -> None:
    """When the app starts."""
    seeing = Permission.VIEW_BILLING
    hooks.register_usage_panel(UsagePanel("costs", "Costs", "costs", seeing))
    for slug, title, read in cost_charts.CHARTS:
        hooks.register_usage_chart(UsageChart(slug, title, read, seeing))
    hooks.register_fleet_panel(
        FleetPanel(
            "margin", "Margin last month", "billing_report_margin_panel", "billing.view_margin"
        )
    )
    hooks.register_way_out(to_pay)
    hooks.register_plan_notes(plan_notes.of_plans, plan_notes.of_change)
    hooks.register_plan_prices(plan_notes.prices_of)
    hooks.register_fleet_rankings(dearest, permission="billing.view_modelcost")


def to_pay(*, instance: Instance) -> WayOut | None:
    """The invoice that it is suspended for, which says how to pay. One query."""
    taken = DunningSuspension.objects.filter(instance=instance, lifted_at=None)
    found = taken.select_related("invoice").first()
    if found is None:
        return None
    number = found.invoice.number
    return WayOut(f"How to pay {number}", "invoice", number)


def dearest(*, now: datetime) -> Sequence[Ranking]:
    """Whose language models cost most since yesterday, in each currency by itself."""
    found: dict[str, list[Dear]] = defaultdict(list)
    for each in costs.dearest(since=(now - LOOKED_BACK).date(), most=MOST):
        found[each.currency].append(each)
    return [
        Ranking(
            title=f"{TITLE}, {currency}",
            rows=[Ranked(each.instance, say(each.amount, currency)) for each in rows],
        )
        for currency, rows in found.items()
    ] or [Ranking(TITLE, [])]
