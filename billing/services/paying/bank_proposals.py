"""What lines of the bank may be, from the invoices and accounts that are known."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import or_

from django.db.models import F, Q, QuerySet

from billing.bank import matching
from billing.bank.matching import Arrival, Certainty, Owed, Proposal
from billing.models import BankLine, Invoice, Seller, Settlement
from billing.services.paying.receipts import Share
from tenants.models import Client

NOBODY = Proposal(Certainty.NONE, "")


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal with the rows that it speaks of. ``returns`` is what a return may take back."""

    proposal: Proposal
    client: Client | None = None
    shares: tuple[Share, ...] = ()
    returns: BankLine | None = None


def of_lines(lines: Sequence[BankLine]) -> Mapping[uuid.UUID, Proposed]:
    """A proposal for each line that is to be matched; the number of queries does not grow."""
    waiting = [line for line in lines if line.state == BankLine.State.OPEN]
    incoming = [line for line in waiting if line.amount > 0]
    series = _series()
    ibans = _known_ibans({line.iban for line in incoming if line.iban})
    found = _candidates(incoming, series, set(ibans.values()))
    owed = [_owed(each) for each in found.values()]
    clients = {str(each.invoice.client_id): each.invoice.client for each in found.values()}
    clients |= {str(each.pk): each for each in Client.objects.filter(pk__in=set(ibans.values()))}
    proposals = {}
    for line in incoming:
        arrival = _arrival(line)
        made = matching.propose(arrival, owed=owed, series=series, known_ibans=ibans)
        shares = tuple(Share(found[number].invoice, amount) for number, amount in made.shares)
        proposals[line.pk] = Proposed(made, clients.get(made.client), shares)
    returned = _returned([line for line in waiting if line.amount < 0])
    return {**proposals, **returned}


def of_line(line: BankLine) -> Proposed:
    """Of one."""
    return of_lines([line]).get(line.pk, Proposed(NOBODY))


def _series() -> set[str]:
    """Those of invoices; a payment is for no credit note."""
    issued = Invoice.objects.filter(kind=Invoice.Kind.INVOICE, state=Invoice.State.ISSUED)
    seller = Seller.objects.first()
    known = set(issued.order_by().values_list("series", flat=True).distinct())
    return known | ({seller.invoice_series} if seller else set())


def _known_ibans(ibans: set[str]) -> Mapping[str, str]:
    """Which client has paid from which account; accounts of several clients lead nowhere."""
    rows = BankLine.objects.filter(iban__in=ibans, state=BankLine.State.BOOKED, amount__gt=0)
    found: dict[str, set[str]] = {}
    for iban, client in rows.order_by().values_list("iban", "client").distinct():
        found.setdefault(iban, set()).add(str(client))
    return {iban: next(iter(clients)) for iban, clients in found.items() if len(clients) == 1}


def _candidates(
    lines: Sequence[BankLine], series: set[str], clients: set[str]
) -> Mapping[str, Settlement]:
    """Invoices that a line names, that are open for just its amount, or open at a known payer."""
    if not lines:
        return {}
    named = {n for line in lines for n in matching.numbers_in(_arrival(line), series)}
    wanted: list[Q] = [_is_number(number) for number in named]
    is_open = Q(state=Settlement.State.OPEN)
    amounts = {line.amount for line in lines}
    rows = _settlements().annotate(left=F("total") - F("credited") - F("paid"))
    wanted.append(is_open & (Q(left__in=amounts) | Q(invoice__client__in=clients)))
    return {each.invoice.number: each for each in rows.filter(reduce(or_, wanted))}


def _settlements() -> QuerySet[Settlement]:
    return Settlement.objects.select_related("invoice__client")


def _is_number(number: str) -> Q:
    series, _, digits = number.rpartition("-")
    return Q(invoice__series=series, invoice__sequence=int(digits))


def _owed(settlement: Settlement) -> Owed:
    invoice = settlement.invoice
    return Owed(
        number=invoice.number,
        client=str(invoice.client_id),
        buyer=str(invoice.buyer.get("name", "")),
        currency=invoice.currency,
        open=settlement.open,
        due_on=invoice.due_on or invoice.issued_on or date.max,
    )


def _arrival(line: BankLine) -> Arrival:
    return Arrival(
        amount=line.amount,
        currency=line.currency,
        name=line.name,
        iban=line.iban,
        text=line.text,
        creditor_reference=line.creditor_reference,
    )


def _returned(lines: Sequence[BankLine]) -> Mapping[uuid.UUID, Proposed]:
    """For each return the booked line that it may take back: by reference, account and amount."""
    found: dict[uuid.UUID, Proposed] = {}
    if not lines:
        return found
    amounts = {-line.amount for line in lines} | {-line.amount - line.charges for line in lines}
    rows = BankLine.objects.filter(
        state=BankLine.State.BOOKED, amount__in=amounts, returned_by=None
    ).select_related("client")
    booked = list(rows.order_by("-booked_on", "position"))
    for line in lines:
        fitting = [each for each in booked if _may_return(line, each)]
        sure = [each for each in fitting if line.end_to_end and each.end_to_end == line.end_to_end]
        if len(sure) == 1:
            why = f"It takes back what came in on {sure[0].booked_on}, by its reference."
            found[line.pk] = Proposed(
                Proposal(Certainty.SURE, why), sure[0].client, returns=sure[0]
            )
        elif fitting:
            why = f"It may take back what came in on {fitting[0].booked_on}."
            found[line.pk] = Proposed(
                Proposal(Certainty.GUESS, why), fitting[0].client, returns=fitting[0]
            )
        else:
            found[line.pk] = Proposed(
                Proposal(Certainty.NONE, "Nothing that was booked fits what went out.")
            )
    return found


def _may_return(line: BankLine, paid: BankLine) -> bool:
    fits = -line.amount in (paid.amount, paid.amount + line.charges)
    is_same = (line.account, line.currency) == (paid.account, paid.currency)
    is_theirs = not line.iban or not paid.iban or line.iban == paid.iban
    return fits and is_same and is_theirs and paid.booked_on <= line.booked_on
