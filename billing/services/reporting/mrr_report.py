"""Recurring revenue at every month's end, from subscriptions and price versions, and its moves."""

from __future__ import annotations

import uuid
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache, partial

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


@dataclass(frozen=True, slots=True)
class _Client:
    """Whose recurring revenue it is."""

    pk: uuid.UUID
    name: str
    currency: str


_Ends = Mapping[date, Mapping[int, Decimal]]  # by month, what each client brings, by its place
_Spell = tuple[uuid.UUID, date, date | None, bool]  # as a row has it: see statement.Spell
_Slice = tuple[int, int, Decimal]


@dataclass(frozen=True, slots=True)
class Read:
    """All that there ever was: each client's sum at every month's end."""

    ends: _Ends
    of: Sequence[_Client]

    def month_ends(self, months: Months) -> Iterator[MonthEnd]:
        """Month after month, by currency; also those in which nothing moved."""
        for currency in sorted({each.currency for each in self.of}):
            known: set[int] = set()
            before: Mapping[int, Decimal] = {}
            for month in sorted({*self.ends, *months.each()}):
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
                before = after

    def clients(self, month: date) -> Sequence[OfClient]:
        """Those that bring anything at that end or brought at the one before; the most first."""
        before, after = self.ends.get(earlier(month, 1), {}), self.ends.get(month, {})
        known = {place for end, sums in self.ends.items() if end < month for place in sums}
        found = []
        for place in before.keys() | after.keys():
            was, now = before.get(place, mrr.NOTHING), after.get(place, mrr.NOTHING)
            moved = mrr.movements({place: was}, {place: now}, known=known)
            kind = next((name for name in moved.__slots__ if getattr(moved, name)), "")
            of = self.of[place]
            found.append(OfClient(of.pk, of.name, of.currency, was, now, kind))
        return sorted(found, key=lambda each: (each.currency, -each.amount, each.client))

    def _of(self, month: date, currency: str) -> Mapping[int, Decimal]:
        sums = self.ends.get(month, {})
        if all(each.currency == currency for each in self.of):
            return sums
        return {place: sums[place] for place in sums if self.of[place].currency == currency}


def read(*, until: date) -> Read:
    """As of the end of every month to the one that begins on ``until``. Five queries.

    Days are those of the clients' clocks.
    """
    seller = Seller.objects.first()
    profiles = BillingProfile.objects.values_list("client", "client__name", "currency")
    clients = [_Client(*each) for each in profiles]
    prices = _prices()
    spells = _spells()
    months = _months(spells, until)
    month_ends = [next_month(month) - _DAY for month in months]

    @cache  # many began on the same day with the same plan
    def slices(of: tuple[_Spell, ...], anchor: date, interval: str, currency: str) -> list[_Slice]:
        each = Interval(interval)
        running = Running(
            [Spell(*spell) for spell in of], anchor, each, currencies.exponent(currency)
        )
        price_on = partial(_price_on, prices[currency, each])
        charges_suspended = seller is not None and seller.charges_suspended
        found = mrr.over(
            running, month_ends, charges_suspended=charges_suspended, price_on=price_on
        )
        return list(found)

    changes: list[dict[int, Decimal]] = [defaultdict(Decimal) for _ in (*months, until)]
    places = {each.pk: place for place, each in enumerate(clients)}
    rows = Subscription.objects.values_list("pk", "client", "anchor", "interval")
    for pk, client, anchor, interval in rows.order_by():
        place = places[client]
        of = tuple(spells[pk])
        for begin, end, amount in slices(of, anchor, interval, clients[place].currency):
            changes[begin][place] += amount
            changes[end][place] -= amount
    return Read(dict(zip(months, _added_up(changes), strict=False)), clients)


def _added_up(changes: Iterable[Mapping[int, Decimal]]) -> Iterator[Mapping[int, Decimal]]:
    """What each place has after each of the changes; those that have nothing are absent."""
    sums: dict[int, Decimal] = {}
    for change in changes:
        for place, amount in change.items():
            sums[place] = sums.get(place, mrr.NOTHING) + amount
            if not sums[place]:
                del sums[place]
        yield dict(sums)


def _price_on(versions: Mapping[uuid.UUID, _Versions], plan: uuid.UUID, day: date) -> Terms | None:
    return versions[plan].on(day) if plan in versions else None


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


def _spells() -> Mapping[uuid.UUID, list[_Spell]]:
    """Those of each subscription, in order."""
    spells: dict[uuid.UUID, list[_Spell]] = defaultdict(list)
    names = ("subscription", "plan", "first_day", "end_day", "is_suspended")
    for of, *rest in Span.objects.order_by("first_day").values_list(*names):
        spells[of].append(tuple(rest))
    return spells


def _months(spells: Mapping[uuid.UUID, Sequence[_Spell]], until: date) -> list[date]:
    """From the first that there is to the one that begins on ``until``."""
    firsts = [each[0][1] for each in spells.values()]
    month = min(firsts, default=until).replace(day=1)
    months = []
    while month <= until:
        months.append(month)
        month = next_month(month)
    return months
