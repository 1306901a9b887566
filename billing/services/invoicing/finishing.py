"""The last look at drafts before they are issued: lines, VAT, sums, and what stands on them."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from billing import currencies
from billing.models import (
    BillingPeriod,
    BillingProfile,
    Discount,
    Invoice,
    InvoiceLine,
    Seller,
    Subscription,
)
from billing.services import discounts, totals, vat
from billing.services.invoicing import (
    downtime_credits,
    gathering,
    late_usage,
    line_rows,
    numbers,
    snapshots,
)
from billing.services.invoicing.gathering import Wanted
from billing.services.invoicing.issued_rows import mark_issued
from billing.services.invoicing.line_rows import Charged
from billing.services.paying import settlements
from hosting.selectors.watching import availability
from tenants.errors import Refused


class NothingLeft(Exception):
    """What a draft was made for was taken back before it was issued."""


class Work:
    """The drafts of a batch, with all that is read for them at once."""

    def __init__(
        self,
        clients: Mapping[uuid.UUID, BillingProfile],
        drafts: Sequence[Invoice],
        seller: Seller,
        now: datetime,
    ) -> None:
        """Periods, prices, usage, discounts and late usage: a dozen queries in all."""
        self.clients, self.seller, self.now = clients, seller, now
        self.lines: dict[uuid.UUID, list[line_rows.Row]] = {}
        self.old_lines = line_rows.of(drafts)
        self.told_seller = snapshots.seller(seller)
        self.items = _items(clients, drafts, seller)
        self.discounts = discounts.of({each.pk for each in self._subscriptions()})
        currencies_ = {pk: profile.currency for pk, profile in clients.items()}
        self.late, self.looked_at = late_usage.of_clients(currencies_, seller=seller, now=now)
        self.last = {draft.client_id: draft.pk for draft in drafts}
        since = downtime_credits.looks_since((draft.first_day for draft in drafts), now=now)
        self.down = availability.months_with_downtime(clients.keys(), since=since)
        self.parts: dict[uuid.UUID, list[downtime_credits.Part]] = defaultdict(list)
        self.given: list[tuple[downtime_credits.Due, Invoice]] = []
        self.spent: set[Discount] = set()
        self.told_late: set[uuid.UUID] = set()
        self.left_over: set[uuid.UUID] = set()  # periods that are looked at the next time as well

    def prepare(self, draft: Invoice) -> None:
        """As below; where it can't be issued yet, its discounts are not used up."""
        own = [
            discount
            for wanted, _, _ in self.items[draft.pk]
            for discount in self.discounts.get(wanted.subscription.pk, ())
        ]
        before = [each.periods_left for each in own]
        try:
            self._prepare(draft)
        except (Refused, vat.Undecided):
            for discount, left in zip(own, before, strict=True):
                discount.periods_left = left
            raise
        self.spent |= {each for each in own if each.periods_left is not None}

    def _prepare(self, draft: Invoice) -> None:
        """Its final lines and sums, and what stands on it; ``Refused`` or ``Undecided``."""
        profile = self.clients[draft.client_id]
        charged = self._charged(draft, profile)
        if not charged:
            raise NothingLeft
        decisions = [self._decide(each, profile) for each in charged]
        lines = [
            line_rows.row(draft.pk, place, each, tax)
            for place, (each, tax) in enumerate(zip(charged, decisions, strict=True), start=1)
        ]
        sums = totals.of_lines(
            (totals.Taxed(line.net, line.category, line.rate) for line in lines),
            exponent=currencies.exponent(draft.currency),
        )
        self.lines[draft.pk] = lines
        draft.net, draft.vat, draft.total = sums.net, sums.vat, sums.gross
        draft.seller, draft.buyer = self.told_seller, snapshots.buyer(profile)
        draft.tax = snapshots.tax(
            seller=self.seller, buyer=profile, decisions=decisions, totals=sums
        )
        self._date(draft, profile)

    def write(self, drafts: Sequence[Invoice]) -> None:
        """Lines, then numbers, then the invoices and how they stand."""
        self._write_lines(drafts)
        Discount.objects.bulk_update(self.spent, ["periods_left"], batch_size=500)
        issued = {draft.client_id for draft in drafts}
        looked = {p.pk for p in self.looked_at if p.subscription.client_id in issued}
        looked -= self.left_over
        BillingPeriod.objects.filter(pk__in=looked).update(rated_at=self.now)
        BillingPeriod.objects.filter(invoice__in=drafts).update(rated_at=self.now)
        series = self.seller.invoice_series
        for draft, number in zip(
            drafts, numbers.take(series=series, count=len(drafts)), strict=True
        ):
            draft.series, draft.sequence = series, number
        mark_issued(drafts)
        settlements.open_for(drafts, now=self.now)
        issued_ = {draft.pk for draft in drafts}
        downtime_credits.note([each for each in self.given if each[1].pk in issued_], now=self.now)

    def _charged(self, draft: Invoice, profile: BillingProfile) -> list[Charged]:
        """Plan and usage with discounts, and once what was reported late."""
        exponent = currencies.exponent(draft.currency)
        charged: list[Charged] = []
        for wanted, period, answer in self.items[draft.pk]:
            if isinstance(answer, Refused):
                raise answer
            own = self.discounts.get(wanted.subscription.pk, ())
            off = discounts.lines(own, answer, days=wanted.billed, exponent=exponent)
            last = wanted.billed.end - timedelta(days=1)
            own_items = [*answer, *off]
            part = downtime_credits.Part(wanted.subscription, wanted.billed, own_items, period)
            self.parts[draft.client_id].append(part)
            charged += [Charged(item, wanted.subscription, period, last) for item in own_items]
        if draft.client_id not in self.told_late:
            self.told_late.add(draft.client_id)
            charged += self._late(draft, charged, profile)
        if self.last[draft.client_id] == draft.pk:
            charged += self._downtime(draft, charged, profile)
        return charged

    def _downtime(
        self, draft: Invoice, charged: Sequence[Charged], profile: BillingProfile
    ) -> list[Charged]:
        """What fits without leaving a VAT rate with less than nothing; the rest waits, whole."""
        rest: dict[object, Decimal] = defaultdict(Decimal)
        for each in charged:
            rest[self._decide(each, profile)] += each.item.net
        found = []
        parts, months = self.parts[draft.client_id], self.down.get(draft.client_id, ())
        for due in downtime_credits.of_client(profile, months, parts, now=self.now):
            line = due.charged()
            tax = self._decide(line, profile)
            if rest[tax] + line.item.net >= 0:
                rest[tax] += line.item.net
                found.append(line)
                self.given.append((due, draft))
        return found

    def _late(
        self, draft: Invoice, charged: Sequence[Charged], profile: BillingProfile
    ) -> list[Charged]:
        """As much of it as leaves no VAT rate of the invoice with less than nothing."""
        rest: dict[object, Decimal] = defaultdict(Decimal)
        for each in charged:
            rest[self._decide(each, profile)] += each.item.net
        found = []
        late = self.late.get(draft.client_id, ())
        for each in sorted(late, key=lambda charged: charged.item.net < 0):
            tax = self._decide(each, profile)
            cut = late_usage.at_most(each, -rest[tax]) if each.item.net < 0 else each
            if cut is not each:
                self.left_over.add(each.period.pk)
            if cut is not None:
                found.append(cut)
                rest[tax] += cut.item.net
        return found

    def _decide(self, charged: Charged, profile: BillingProfile) -> vat.Decision:
        return snapshots.decide(seller=self.seller, buyer=profile, on=charged.supplied_on)

    def _date(self, draft: Invoice, profile: BillingProfile) -> None:
        draft.issued_at = self.now
        draft.issued_on = profile.client.clock.day_at(self.now)
        draft.due_on = draft.issued_on + timedelta(days=self.seller.payment_days)

    def _write_lines(self, drafts: Sequence[Invoice]) -> None:
        """Only where something came in since the draft are its lines made anew, or their VAT."""
        anew, taxed = [], []
        for draft in drafts:
            before, after = self.old_lines.get(draft.pk, ()), self.lines[draft.pk]
            if [line_rows.facts(each) for _, each in before] != [
                line_rows.facts(each) for each in after
            ]:
                anew.append(draft)
                continue
            pairs = zip(before, after, strict=True)
            taxed += [(pk, new) for (pk, old), new in pairs if old != new]
        if anew:
            InvoiceLine.objects.filter(invoice__in=anew).delete()
        line_rows.write([line for draft in anew for line in self.lines[draft.pk]])
        line_rows.write_taxes(taxed)

    def _subscriptions(self) -> set[Subscription]:
        return {wanted.subscription for found in self.items.values() for wanted, _, _ in found}


Parts = Sequence[tuple[Wanted, BillingPeriod, gathering.Answer]]


def _items(
    clients: Mapping[uuid.UUID, BillingProfile], drafts: Sequence[Invoice], seller: Seller
) -> Mapping[uuid.UUID, Parts]:
    """What each draft's periods come to now."""
    rows = list(
        BillingPeriod.objects.filter(invoice__in=drafts)
        .select_related("subscription")
        .order_by("subscription__first_day", "subscription_id")
    )
    wanted = [
        gathering.wanted_of(each, clients[each.subscription.client_id].currency) for each in rows
    ]
    found: dict[uuid.UUID, list[tuple[Wanted, BillingPeriod, gathering.Answer]]] = defaultdict(list)
    answers = gathering.items(wanted, seller=seller)
    for period, each, answer in zip(rows, wanted, answers, strict=True):
        if period.invoice_id is not None:
            found[period.invoice_id].append((each, period, answer))
    return found
