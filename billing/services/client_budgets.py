"""What a client means to spend a month, and telling it when a part of that is reached.

Counted is what its running periods have come to so far, whole prices and usage alike; of the price
of a quarter or a year one month's part.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.urls import reverse

from billing import currencies
from billing.models import BillingProfile, ClientBudget, InvoiceLine
from billing.services import periods
from billing.services.invoicing import previews
from billing.services.invoicing.previews import Expected
from billing.services.periods import Interval
from hosting.models import Severity, Topic
from hosting.services.measuring.usage_limits import THRESHOLDS
from hosting.services.telling import notifications
from tenants.errors import Refused
from tenants.models import Client
from tenants.services import audit
from tenants.services.actors import Actor
from tenants.services.validation import refuse_invalid

logger = logging.getLogger(__name__)

ALL = 10_000  # instances of a client: none has as many
MOST = Decimal(10) ** 12


@dataclass(frozen=True, slots=True)
class Standing:
    """A budget and what is spent of it so far, in its currency."""

    budget: ClientBudget
    spent: Decimal

    @property
    def percent(self) -> int:
        """Rounded down: 100 is all of it."""
        return int(100 * self.spent / self.budget.amount)


@transaction.atomic
def set_budget(*, client: Client, amount: Decimal, actor: Actor) -> ClientBudget:
    """Have the client told of what it spends. ``Refused`` with the field ``amount``, or without
    one where the client has no billing details yet, which say its currency.
    """
    profile = BillingProfile.objects.select_for_update(of=("self",)).filter(client=client).first()
    if profile is None:
        raise Refused("There are no billing details yet: they say in which currency it is.")
    if not _fits(amount, profile.currency):
        raise Refused(f"Write an amount above 0 as {profile.currency} has it.", field="amount")
    known = ClientBudget.objects.filter(client=client).first()
    if known is not None and (known.amount, known.currency) == (amount, profile.currency):
        return known
    before = _told(known) if known else {}
    budget = known or ClientBudget(client=client)
    budget.amount, budget.currency = amount, profile.currency
    refuse_invalid(budget)
    budget.save()
    audit.record(
        action="client.budget_set",
        actor=actor,
        client=client,
        obj=client,
        before=before,
        after=_told(budget),
    )
    return budget


@transaction.atomic
def remove_budget(*, client: Client, actor: Actor) -> None:
    """Tell the client no more; without a budget nothing happens."""
    known = ClientBudget.objects.select_for_update().filter(client=client).first()
    if known is None:
        return
    before = _told(known)
    known.delete()
    audit.record(
        action="client.budget_removed", actor=actor, client=client, obj=client, before=before
    )


def standing(client: Client) -> Standing | None:
    """Where the client's budget stands; None where it has none, or pays in another currency now."""
    budget = ClientBudget.objects.filter(client=client).first()
    if budget is None:
        return None
    running = previews.of_client(client, at_most=ALL)
    if any(each.currency != budget.currency for each in running):
        return None
    return Standing(budget, spent(running, budget.currency))


def spent(running: Sequence[Expected], currency: str) -> Decimal:
    """What periods have come to, of longer ones a month's part of the price."""
    exponent = currencies.exponent(currency)
    parts = (_of_month(each, exponent) for each in running if not each.problem)
    return sum(parts, Decimal(0))


def tell_due(*, now: datetime) -> int:
    """Tell every client that has a budget of the highest part that is reached, once a month each.

    What fails for one keeps no other waiting; the first error is raised in the end, so that all
    are soon looked at again. How many were told.
    """
    told = 0
    failed: list[Exception] = []
    for budget in ClientBudget.objects.filter(client__is_active=True).select_related("client"):
        try:
            told += _tell(budget.client, now)
        except Exception as error:
            logger.exception("the budget of %s was not looked at", budget.client)
            failed.append(error)
    if failed:
        raise failed[0]
    return told


def _tell(client: Client, now: datetime) -> bool:
    found = standing(client)
    reached = [each for each in THRESHOLDS if found is not None and found.percent >= each]
    if found is None or not reached:
        return False
    threshold, budget = reached[-1], found.budget
    month = client.clock.day_at(now)
    allowed = currencies.said(budget.amount, budget.currency)
    notice = notifications.notify(
        topic=Topic.BUDGET,
        severity=Severity.INFO if threshold < THRESHOLDS[1] else Severity.WARNING,
        key=f"spending:{client.pk}:{month:%Y-%m}:{budget.amount.normalize():f}:{threshold}",
        title=f"{threshold} % of the budget of {allowed} spent",
        text=(
            f"What runs has come to {currencies.said(found.spent, budget.currency)} so far in"
            f" {month:%B %Y}, without VAT. Everything goes on as before."
        ),
        now=now,
        client=client,
        path=reverse("billing", args=[client.slug]),
        data={"percent": threshold, "spent": str(found.spent), "currency": budget.currency},
    )
    return notice is not None


def _fits(amount: Decimal, currency: str) -> bool:
    if not amount.is_finite() or not 0 < amount < MOST:
        return False
    return currencies.rounded(amount, currencies.exponent(currency)) == amount


def _of_month(each: Expected, exponent: int) -> Decimal:
    whole = sum(
        (item.net for item in each.items if item.kind == InvoiceLine.Kind.RECURRING), Decimal(0)
    )
    months = Decimal(periods.MONTHS[Interval(each.subscription.interval)])
    return each.net - whole + currencies.divided(whole, Decimal(1), months, exponent)


def _told(budget: ClientBudget) -> dict[str, str]:
    return {"amount": f"{budget.amount.normalize():f}", "currency": budget.currency}
