"""What the bank would have said of a fleet that never ran: its statements, and what they paid."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import F, QuerySet

from billing.models import BankLine, BankStatement, Payment, Settlement

ACCOUNT = "DE02120300000000202051"
PAID_AFTER = timedelta(days=10)
_STRANGE = Decimal("12.34")


@transaction.atomic
def pay(owed: QuerySet[Settlement], *, strangers: int, now: datetime) -> int:
    """Pay all that is owed by transfers, a statement a day, and how many those were.

    Today's statement has so many lines besides that nobody can tell the client of.
    """
    found = owed.select_related("invoice").order_by("invoice__issued_at", "invoice__sequence")
    lines = [_line(each) for each in found]
    _import([each for each, _ in lines], now)
    _import(list(_strange(strangers, now)), now)
    Payment.objects.bulk_create([_payment(*each) for each in lines], batch_size=1000)
    return owed.update(state=Settlement.State.PAID, paid=F("total"))


def _line(settlement: Settlement) -> tuple[BankLine, Settlement]:
    invoice = settlement.invoice
    line = BankLine(
        account=ACCOUNT,
        booked_on=_paid_at(settlement).date(),
        amount=settlement.total,
        currency=invoice.currency,
        name=invoice.buyer["name"],
        text=f"Invoice {invoice.number}",
        state=BankLine.State.BOOKED,
        client_id=invoice.client_id,
    )
    return line, settlement


def _strange(number: int, now: datetime) -> Iterator[BankLine]:
    for each in range(number):
        yield BankLine(
            account=ACCOUNT,
            booked_on=now.date(),
            amount=_STRANGE,
            currency="EUR",
            name=f"Somebody {each}",
            text="Thanks",
        )


def _import(lines: Sequence[BankLine], now: datetime) -> None:
    """A statement for each day that something was booked on."""
    for day, booked in itertools.groupby(lines, key=lambda each: each.booked_on):
        _statement(day, list(booked), now)


def _statement(day: date, lines: Sequence[BankLine], now: datetime) -> None:
    name = f"generated-{day}.xml"
    statement = BankStatement.objects.create(
        name=name,
        format=BankStatement.Format.CAMT,
        sha256=hashlib.sha256(name.encode()).hexdigest(),
        imported_at=now,
        lines_in_it=len(lines),
        new_lines=len(lines),
    )
    BankLine.objects.bulk_create(_placed(statement, lines), batch_size=1000)


def _placed(statement: BankStatement, lines: Sequence[BankLine]) -> Iterable[BankLine]:
    for position, line in enumerate(lines):
        line.statement, line.position = statement, position
        line.key = hashlib.sha256(f"{statement.name} {line.text} {position}".encode()).hexdigest()
        yield line


def _payment(line: BankLine, settlement: Settlement) -> Payment:
    return Payment(
        invoice=settlement.invoice,
        method=Payment.Method.TRANSFER,
        amount=line.amount,
        currency=line.currency,
        received_on=line.booked_on,
        line=line,
        recorded_at=_paid_at(settlement),
    )


def _paid_at(settlement: Settlement) -> datetime:
    issued_at = settlement.invoice.issued_at
    if issued_at is None:
        raise ValueError(f"{settlement.invoice_id} is a draft, and owes nothing.")
    return issued_at + PAID_AFTER
