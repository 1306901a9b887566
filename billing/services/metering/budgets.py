"""What a plan lets its instances spend on language models a month, and holding them to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction

from billing.models import PlanBudget
from billing.selectors import costs
from hosting.models import Instance, Plan, UsageHold
from hosting.selectors.measuring import usage
from hosting.selectors.measuring.usage_limits import Use
from hosting.services.measuring import usage_limits
from tenants.services import audit
from tenants.services.actors import Actor
from tenants.services.validation import refuse_invalid


@transaction.atomic
def set_budget(*, plan: Plan, amount: Decimal, currency: str, actor: Actor) -> PlanBudget:
    """Let each instance of the plan spend so much a month. ``Refused`` where a value is bad."""
    Plan.objects.select_for_update(no_key=True).get(pk=plan.pk)
    known = PlanBudget.objects.filter(plan=plan).first()
    if known is not None and (known.amount, known.currency) == (amount, currency):
        return known
    before = _told(known) if known else {}
    budget = known or PlanBudget(plan=plan)
    budget.amount, budget.currency = amount, currency
    refuse_invalid(budget)
    budget.save()
    after = _told(budget)
    audit.record(action="plan.budget_set", actor=actor, obj=plan, before=before, after=after)
    return budget


def hold_to(*, now: datetime) -> None:
    """See what each instance spent in its month, tell of thresholds, and do what plans say."""
    usage_limits.settle(limits=(UsageHold.Limit.COST,), uses=list(_uses(now)), now=now)


def _uses(now: datetime) -> Iterable[Use]:
    budgets = {budget.plan_id: budget for budget in PlanBudget.objects.all()}
    months: dict[date, list[Instance]] = defaultdict(list)
    for instance in usage_limits.limited(plans=budgets):
        months[usage.month_of(instance.client, now)].append(instance)
    for month, instances in months.items():
        spent = costs.month_totals([each.pk for each in instances], month=month)
        for instance in instances:
            budget = budgets[instance.plan_id]
            amount = spent.get(instance.pk, {}).get(budget.currency, Decimal(0))
            yield _use(instance, budget, amount, month)


def _told(budget: PlanBudget) -> dict[str, str]:
    return {"amount": str(budget.amount), "currency": budget.currency}


def _use(instance: Instance, budget: PlanBudget, amount: Decimal, month: date) -> Use:
    return Use(
        instance=instance,
        limit=UsageHold.Limit.COST,
        used=amount,
        allowed=budget.amount,
        unit=budget.currency,
        month=month,
    )
