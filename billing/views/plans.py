"""What a client's instances cost: prices, the periods that run line by line, and its credit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from billing import currencies
from billing.models import Price, Subscription
from billing.selectors import invoices as reading
from billing.selectors import prices_in_use
from billing.selectors.prices_in_use import InUse
from billing.services import charge_words, client_budgets, outlooks, pricing
from billing.services.charge_words import TierRow, plain
from billing.services.invoicing import previews
from billing.services.invoicing.previews import Expected
from billing.services.statement import Item
from hosting.catalog.meters import Meter
from hosting.selectors.measuring import usage_stretches
from tenants.errors import Refused
from tenants.permissions import Permission
from tenants.views.access import ClientRequest, client_view, render_page

PER_PAGE = 25


@dataclass(frozen=True, slots=True)
class ChargeShown:
    """A meter's charge in words."""

    title: str
    unit: str
    sentence: str
    tiers: Sequence[TierRow]


@dataclass(frozen=True, slots=True)
class Line:
    """What stands on the next invoice so far."""

    name: str
    about: str
    quantity: str
    net: str


@dataclass(frozen=True, slots=True)
class Shown:
    """An instance's plan with its price, and the period that runs."""

    subscription: Subscription
    plan: str
    price: str
    setup: str
    trial_days: int
    later: str
    charges: Sequence[ChargeShown]
    first: date
    last: date
    lines: Sequence[Line]
    downtime: str
    net: str
    forecast: str
    due_at: datetime | None
    problem: str


@dataclass(frozen=True, slots=True)
class BudgetShown:
    """What the client means to spend a month, and has so far."""

    amount: str
    plain: str
    spent: str
    percent: int

    @property
    def is_over(self) -> bool:
        """Whether all of it is spent."""
        return self.percent >= 100


@require_safe
@client_view(Permission.VIEW_BILLING)
def page(request: ClientRequest) -> HttpResponse:
    """Each instance with its price and period, and the movements of the client's credit."""
    return _show(request)


@require_POST
@client_view(Permission.MANAGE_BILLING)
def budget(request: ClientRequest) -> HttpResponse:
    """Set the client's budget, or remove it where nothing was typed."""
    typed = request.POST.get("amount", "").strip()
    try:
        if typed:
            amount = _amount(typed)
            client_budgets.set_budget(client=request.client, amount=amount, actor=request.actor)
            messages.success(request, "Saved. You are told at 50, 80 and 100 %.")
        else:
            client_budgets.remove_budget(client=request.client, actor=request.actor)
            messages.success(request, "There is no budget any more.")
    except Refused as refused:
        return _show(request, typed=typed, wrong=refused.message, status=422)
    return redirect("billing", client=request.client.slug)


def _amount(typed: str) -> Decimal:
    try:
        return Decimal(typed)
    except InvalidOperation as error:
        raise Refused("Write a number such as 250 or 99.50.", field="amount") from error


def _show(
    request: ClientRequest, *, typed: str | None = None, wrong: str = "", status: int = 200
) -> HttpResponse:
    instances = Paginator(previews.running(request.client), PER_PAGE)
    some = instances.get_page(request.GET.get("instances"))
    running = previews.of_subscriptions(some)
    ledger = Paginator(reading.credit_entries(request.client), PER_PAGE)
    entries = ledger.get_page(request.GET.get("page"))
    context = {
        "section": "invoices",
        "shown": list(_shown(request, running)),
        "instances": some,
        "credit": [
            currencies.said(amount, currency) for currency, amount in reading.credit(request.client)
        ],
        "page": entries,
        "ledger": [(each, currencies.said(each.amount, each.currency)) for each in entries],
        "budget": _budget(request),
        "typed": typed,
        "wrong": wrong,
        "may_change": request.may(Permission.MANAGE_BILLING),
    }
    return render_page(request, "billing/plans.html", context, status=status)


def _budget(request: ClientRequest) -> BudgetShown | None:
    found = client_budgets.standing(request.client)
    if found is None:
        return None
    currency = found.budget.currency
    return BudgetShown(
        amount=currencies.said(found.budget.amount, currency),
        plain=f"{found.budget.amount.normalize():f}",
        spent=currencies.said(found.spent, currency),
        percent=found.percent,
    )


def _shown(request: ClientRequest, running: Sequence[Expected]) -> Iterator[Shown]:
    if not running:
        return
    chosen = [each.subscription for each in running]
    begun = {each.subscription.pk: each.days.first for each in running}
    in_use = prices_in_use.in_use(begun, chosen, currency=running[0].currency)
    at_end = outlooks.of_client(request.client, running, now=timezone.now())
    meters = usage_stretches.titles({each.instance_id for each in chosen})
    for each in running:
        pk = each.subscription.pk
        own = meters.get(each.subscription.instance_id, {})
        yield _one(each, in_use.get(pk), at_end.get(pk), own)


def _one(
    each: Expected, use: InUse | None, at_end: Decimal | None, meters: Mapping[str, Meter]
) -> Shown:
    currency = each.currency
    price = use.price if use else None
    return Shown(
        subscription=each.subscription,
        plan=use.plan.name if use else "",
        price=_a_period(price) if price else "",
        setup=currencies.said(price.setup_fee, currency) if price and price.setup_fee else "",
        trial_days=price.trial_days if price else 0,
        later=_later(use),
        charges=list(_charges(price, meters)) if price else [],
        first=each.days.first,
        last=each.days.end - timedelta(days=1),
        lines=[_line(item, currency) for item in each.items],
        downtime=currencies.said(-each.downtime, currency) if each.downtime else "",
        net=currencies.said(each.net, currency),
        forecast=currencies.said(at_end, currency) if at_end is not None else "",
        due_at=each.subscription.next_billing_at,
        problem=each.problem,
    )


def _a_period(price: Price) -> str:
    return f"{currencies.said(price.amount, price.currency)} a {price.interval}"


def _later(use: InUse | None) -> str:
    if use is None or use.later is None:
        return ""
    later = use.later
    return f"{_a_period(later)} in periods that begin on {later.valid_from:%-d %b %Y} or later"


def _charges(price: Price, meters: Mapping[str, Meter]) -> Iterator[ChargeShown]:
    for data in price.charges:
        charge, name = pricing.charge_of(data), str(data["meter"])
        meter = meters.get(name)
        unit = meter.unit if meter else name
        yield ChargeShown(
            title=meter.title if meter else name,
            unit=unit,
            sentence=charge_words.sentence(
                charge, unit=unit, currency=price.currency, interval=price.interval
            ),
            tiers=charge_words.tiers(charge, currency=price.currency),
        )


def _line(item: Item, currency: str) -> Line:
    return Line(
        name=item.name,
        about=item.description,
        quantity=plain(item.quantity),
        net=currencies.said(item.net, currency),
    )
