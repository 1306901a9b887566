"""What holds of the books whatever happened: looked at from the rows and not from what stands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from billing.models import (
    BillingPeriod,
    CreditEntry,
    DowntimeCredit,
    Invoice,
    InvoiceLine,
    Payment,
    Seller,
    Settlement,
    Subscription,
)
from billing.services.invoicing import explaining, gathering
from tenants.errors import Refused

NOTHING = Decimal(0)


def balances(cash: Mapping[str, Decimal]) -> None:
    """By currency, from the rows: invoices, money and credit each come to what they should."""
    for currency in ("EUR", "JPY", "KWD"):
        of = {"currency": currency}
        invoices = Invoice.objects.filter(state="issued", **of)
        payments = Payment.objects.filter(**of)
        entries = CreditEntry.objects.filter(**of)
        rows = Settlement.objects.filter(invoice__currency=currency)
        opened = sum((each.open for each in rows), NOTHING)
        invoiced = _sum(invoices.filter(kind="invoice"), "total")
        credited = _sum(invoices.filter(kind="credit_note"), "total")
        assert invoiced - credited - _sum(payments, "amount") == opened >= 0
        moved = entries.filter(kind__in=("overpaid", "paid_out"))
        by_money = _sum(payments.exclude(method="credit"), "amount") + _sum(moved, "amount")
        assert by_money == cash.get(currency, NOTHING)
        came = entries.filter(kind__in=("granted", "overpaid", "paid_out"))
        by_credit = _sum(payments.filter(method="credit"), "amount")
        assert _sum(entries, "amount") == _sum(came, "amount") - by_credit >= 0


def _sum(rows: Any, name: str) -> Decimal:
    found: Decimal = rows.aggregate(found=Sum(name, default=NOTHING))["found"]
    return found


def everything_happened(kinds_of_usage: Collection[str]) -> None:
    """Lines and credit of every kind, and late usage of every meter, more and less."""
    kinds = set(InvoiceLine.objects.values_list("kind", flat=True))
    assert kinds == {each.value for each in InvoiceLine.Kind}
    assert DowntimeCredit.objects.exists()
    assert {"granted", "credited", "applied", "overpaid", "paid_out"} <= set(
        CreditEntry.objects.values_list("kind", flat=True)
    )
    late = InvoiceLine.objects.filter(kind="adjustment")
    assert set(late.values_list("meter", flat=True)) == set(kinds_of_usage)
    assert late.filter(net__lt=0).exists()
    assert late.filter(net__gt=0).exists()


def every_day_is_billed_once() -> None:
    """A subscription's periods follow each other from its first day on, without a gap."""
    for subscription in Subscription.objects.all():
        periods = list(
            BillingPeriod.objects.filter(subscription=subscription).order_by("first_day")
        )
        days = [subscription.first_day, *(each.end_day for each in periods)]
        assert [each.first_day for each in periods] == days[:-1]
        assert days[-1] == subscription.unbilled_from
        ends = [each.ends_at for each in periods]
        assert [each.starts_at for each in periods][1:] == ends[:-1]
        if subscription.end_day is not None:
            assert days[-1] == subscription.end_day


def every_line_opens() -> None:
    """And computes to the same amount."""
    kinds = ("usage", "adjustment")
    lines = InvoiceLine.objects.filter(kind__in=kinds, invoice__state="issued")
    for line in lines.select_related("invoice", "subscription__client"):
        assert explaining.explain(line).fits, f"{line} of {line.invoice}"


def no_usage_is_left_out() -> None:
    """What stands on invoices of a period's usage is what the rules make of it now.

    Less what credit notes gave back of it to clients that are gone.
    """
    rows = BillingPeriod.objects.filter(invoice__state="issued")
    held = list(rows.select_related("subscription__client", "invoice"))
    wanted = [gathering.wanted_of(each, each.invoice.currency) for each in held if each.invoice]
    answers = gathering.items(wanted, seller=Seller.objects.get())
    for period, answer in zip(held, answers, strict=True):
        assert not isinstance(answer, Refused)
        due = _by_meter((item.meter, item.net) for item in answer if item.kind == "usage")
        lines = InvoiceLine.objects.filter(period=period, invoice__state="issued")
        charged = lines.filter(kind__in=("usage", "adjustment"))
        billed = _by_meter(charged.values_list("meter", "net"))
        back = _by_meter(lines.filter(kind="credit").values_list("meter", "net"))
        for meter in due.keys() | billed.keys():
            assert due[meter] == billed[meter] - back[meter], f"{meter} of {period}"


def _by_meter(rows: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for meter, net in rows:
        sums[meter] += net
    return sums


def numbers_have_no_gap() -> None:
    """In neither series."""
    for kind in ("invoice", "credit_note"):
        numbers = Invoice.objects.filter(kind=kind, state="issued").order_by("sequence")
        found = list(numbers.values_list("sequence", flat=True))
        assert found == list(range(1, len(found) + 1))
