"""Budgets: each plan's, in its own currency, and what follows when one is used up."""

from __future__ import annotations

from decimal import Decimal

import pytest

from billing.models import PlanBudget
from billing.services.metering import budgets, costs
from billing.services.metering.counting import after_usage
from hosting import hooks
from hosting.models import Instance, LimitReached, Plan, UsageHold
from tenants.errors import Refused
from tenants.models import AuditEvent
from tenants.services.actors import Actor
from tests.billing.conftest import NOW, Enter, Use


def test_what_is_spent_counts_in_the_budgets_currency(
    book: Instance, small: Plan, use: Use, enter: Enter, actor: Actor
) -> None:
    budgets.set_budget(plan=small, amount=Decimal(10), currency="EUR", actor=actor)
    Plan.objects.update(at_limit=Plan.AtLimit.BLOCK)
    enter()
    enter("dear", currency="USD", input=Decimal(1000))
    use(given=4_500_000)
    use("dear")
    after_usage(now=NOW)
    reached = LimitReached.objects.values_list("threshold", "used", "allowed", "unit")
    assert sorted(reached) == [(50, Decimal(9), Decimal(10), "EUR"), (80, 9, 10, "EUR")]
    assert not UsageHold.objects.exists()
    use(given=500_000)
    after_usage(now=NOW)
    hold = UsageHold.objects.get()
    assert (hold.limit, hold.kind, hold.allowed) == ("cost", "block", Decimal(10))
    budgets.set_budget(plan=small, amount=Decimal(20), currency="EUR", actor=actor)
    after_usage(now=NOW)
    assert UsageHold.objects.get().lifted_at == NOW


def test_without_a_budget_nothing_is_held_back(
    book: Instance, small: Plan, use: Use, enter: Enter, actor: Actor
) -> None:
    budgets.set_budget(plan=small, amount=Decimal(1), currency="EUR", actor=actor)
    Plan.objects.update(at_limit=Plan.AtLimit.BLOCK)
    enter()
    use()
    costs.price_new()
    budgets.hold_to(now=NOW)
    assert UsageHold.objects.filter(lifted_at=None).exists()
    PlanBudget.objects.all().delete()
    budgets.hold_to(now=NOW)
    assert not UsageHold.objects.filter(lifted_at=None).exists()


def test_a_budget_is_audited_once_and_has_to_be_more_than_nothing(
    small: Plan, actor: Actor
) -> None:
    for _ in range(2):
        budgets.set_budget(plan=small, amount=Decimal(5), currency="EUR", actor=actor)
    event = AuditEvent.objects.get(action="plan.budget_set")
    assert event.after == {"amount": "5", "currency": "EUR"}
    with pytest.raises(Refused, match=r"greater than or equal to 0\.01"):
        budgets.set_budget(plan=small, amount=Decimal(0), currency="EUR", actor=actor)


def test_billing_listens_to_usage() -> None:
    assert after_usage in hooks.usage_listeners()
