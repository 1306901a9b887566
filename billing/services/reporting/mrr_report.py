"""Recurring revenue at every month's end, from subscriptions and price versions, and its moves."""

from __future__ import annotations

import uuid
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from billing import currencies
from billing.models import BillingProfile, Price, Seller, Span, Subscription
from billing.selectors.reports.months import Months, earlier, next_month
from billing.services.invoicing import gathering
from billing.services.periods import Interval
from billing.services.reporting import mrr
from billing.services.reporting.mrr import Movements, Running
from billing.services.statement import Spell, Terms

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class MonthEnd:
    """Recurring revenue in a currency as of the last day of a month, and since the last one."""

    month: date
    currency: str
    clients: int
    before: Decimal
    moves: Movements
    amount: Decimal


@dataclass(frozen=True, slots=True)
class OfClient:
    """What a client brings a month, as of the ends of a month and of the one before."""

    client_id: uuid.UUID
    client: str
    currency: str
    before: Decimal
    amount: Decimal
    kind: str


_Ends = Mapping[date, Mapping[uuid.UUID, Decimal]]  # by month, what each client brings


@dataclass(frozen=True, slots=True)
class Read:
    """All that there ever was: each client's sum at every month's end."""

    ends: _Ends
    currency: Mapping[uuid.UUID, str]
    names: Mapping[uuid.UUID, str]

    def month_ends(self, months: Months) -> Iterator[MonthEnd]:
        """Month after month, by currency; also those in which nothing moved."""
        for currency in sorted(set(self.currency.values())):
            known: set[uuid.UUID] = set()
            for month in sorted({*self.ends, *months.each()}):
                before = self._of(earlier(month, 1), currency)
                after = self._of(month, currency)
                if months.first <= month <= months.last:
                    yield MonthEnd(
                        month=month,
                        currency=currency,
                        clients=len(after),
                        before=sum(before.values(), mrr.NOTHING),
                        moves=mrr.movements(before, after, known=known),
                        amount=sum(after.values(), mrr.NOTHING),
                    )
                known |= after.keys()

    def clients(self, month: date) -> Sequence[OfClient]:
        """Those that bring anything at that end or brought at the one before; the most first."""
        before, after = self.ends.get(earlier(month, 1), {}), self.ends.get(month, {})
        known = {pk for end, sums in self.ends.items() if end < month for pk in sums}
        found = []
        for pk in before.keys() | after.keys():
            was, now = before.get(pk, mrr.NOTHING), after.get(pk, mrr.NOTHING)
            moved = mrr.movements({pk: was}, {pk: now}, known=known)
            kind = next((name for name in moved.__slots__ if getattr(moved, name)), "")
            found.append(OfClient(pk, self.names[pk], self.currency[pk], was, now, kind))
        return sorted(found, key=lambda each: (each.currency, -each.amount, each.client))

    def _of(self, month: date, currency: str) -> Mapping[uuid.UUID, Decimal]:
        sums = self.ends.get(month, {})
        return {pk: amount for pk, amount in sums.items() if self.currency[pk] == currency}


def read(*, until: date) -> Read:
    """As of the end of every month to the one that begins on ``until``. Five queries.

    Days are those of the clients' clocks.
    """
    seller = Seller.objects.first()
    profiles = BillingProfile.objects.values_list("client", "currency", "client__name")
    known = {pk: (currency, name) for pk, currency, name in profiles}
    prices = _prices()
    ends: dict[date, dict[uuid.UUID, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for client, running in _running({pk: currency for pk, (currency, _) in known.items()}):
        versions = prices[known[client][0], running.interval]

        def price_on(
            plan: uuid.UUID,
            day: date,
            versions: Mapping[uuid.UUID, _Versions] = versions,
        ) -> Terms | None:
            return versions[plan].on(day) if plan in versions else None

        for month in _months_of(running, until):
            amount = mrr.on_day(
                running,
                next_month(month) - _DAY,
                charges_suspended=seller is not None and seller.charges_suspended,
                price_on=price_on,
            )
            if amount:
                ends[month][client] += amount
    return Read(
        ends,
        {pk: currency for pk, (currency, _) in known.items()},
        {pk: name for pk, (_, name) in known.items()},
    )


class _Versions:
    """The prices of a plan in one currency and interval, in order."""

    def __init__(self) -> None:
        self.begins: list[date] = []
        self.terms: list[Terms] = []

    def add(self, begin: date, terms: Terms) -> None:
        self.begins.append(begin)
        self.terms.append(terms)

    def on(self, day: date) -> Terms | None:
        """The one that is valid on that day."""
        place = bisect_right(self.begins, day)
        return self.terms[place - 1] if place else None


def _prices() -> Mapping[tuple[str, Interval], dict[uuid.UUID, _Versions]]:
    found: dict[tuple[str, Interval], dict[uuid.UUID, _Versions]] = defaultdict(dict)
    for price in Price.objects.select_related("plan").order_by("valid_from"):
        plans = found[price.currency, Interval(price.interval)]
        plans.setdefault(price.plan_id, _Versions()).add(
            price.valid_from, gathering.terms_of(price)
        )
    return found


def _running(money: Mapping[uuid.UUID, str]) -> Iterator[tuple[uuid.UUID, Running]]:
    """Each subscription with whose it is."""
    spells: dict[uuid.UUID, list[Spell]] = defaultdict(list)
    names = ("subscription", "plan", "first_day", "end_day", "is_suspended")
    for of, *rest in Span.objects.order_by("first_day").values_list(*names):
        spells[of].append(Spell(*rest))
    rows = Subscription.objects.order_by("pk").values_list("pk", "client", "anchor", "interval")
    for pk, client, anchor, interval in rows:
        exponent = currencies.exponent(money[client])
        yield client, Running(spells[pk], anchor, Interval(interval), exponent)


def _months_of(running: Running, until: date) -> Iterator[date]:
    """The months at whose end the subscription may bring something."""
    last = running.spells[-1].end
    month = running.spells[0].first.replace(day=1)
    while month <= until and (last is None or next_month(month) <= last):
        yield month
        month = next_month(month)
