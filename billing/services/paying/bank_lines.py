"""What becomes of a line of the bank: booked, set aside, taken up again, or undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Sum

from billing import currencies
from billing.models import BankLine, CreditEntry, Payment
from billing.services.paying import receipts
from billing.services.paying.receipts import Share, Way
from tenants.errors import Refused
from tenants.models import Client
from tenants.services import audit
from tenants.services.actors import Actor

_STATE = BankLine.State


@transaction.atomic
def book(
    *, line: BankLine, client: Client, shares: Sequence[Share], actor: Actor, now: datetime
) -> BankLine:
    """Book money that came in on a client's invoices; what is more becomes its credit.

    ``Refused`` where the line is dealt with already, or the shares don't fit.
    """
    client = receipts.client_of(client.pk)
    locked = _locked(line)
    if locked.amount <= 0:
        raise Refused("That money went out: it pays no invoice.")
    _settle(locked, _STATE.BOOKED, client=client)
    way = _way(locked, client, actor)
    receipts.receive(way=way, shares=shares, amount=locked.amount, now=now)
    _audit("bank_line.booked", locked, actor, {"amount": str(locked.amount)})
    return locked


@transaction.atomic
def book_return(*, line: BankLine, of: BankLine, actor: Actor, now: datetime) -> BankLine:
    """Book money that the bank took back: what ``of`` had paid is open again.

    The bank's charges may be in it; they are nobody's payment. ``Refused`` where the amounts or the
    accounts don't fit, or ``of`` was returned already.
    """
    if of.client_id is None:
        raise Refused("Choose a line that is booked on a client.", field="of")
    client = receipts.client_of(of.client_id)
    locked = _locked(line)
    paid = BankLine.objects.select_for_update().get(pk=of.pk)
    _refuse_unfit(locked, paid)
    _settle(locked, _STATE.BOOKED, client=client, returns=paid)
    _reverse(paid, _way(locked, client, actor), now)
    told = {"amount": str(locked.amount), "returns": str(paid.pk)}
    _audit("bank_line.returned", locked, actor, told)
    return locked


@transaction.atomic
def undo(*, line: BankLine, actor: Actor, now: datetime) -> BankLine:
    """Take back a booking that was wrong; the line is to be matched again.

    ``Refused`` for a return, and for a line that was returned: the bank has settled these.
    """
    if line.client_id is None:
        raise Refused("It is not booked.")
    client = receipts.client_of(line.client_id)
    locked = BankLine.objects.select_for_update().get(pk=line.pk)
    if locked.state != _STATE.BOOKED or locked.client_id != client.pk:
        raise Refused("It is not booked any more.")
    if locked.returns_id or BankLine.objects.filter(returns=locked).exists():
        raise Refused("The bank took that money back: what was booked stays.")
    _reverse(locked, _way(locked, client, actor), now)
    _settle(locked, _STATE.OPEN)
    _audit("bank_line.undone", locked, actor, {"client": client.slug})
    return locked


@transaction.atomic
def set_aside(*, line: BankLine, reason: str, actor: Actor) -> BankLine:
    """Say that a line is no payment of a client's, and why. ``Refused`` without a reason."""
    why = " ".join(reason.split())
    if not why or len(why) > 200:
        raise Refused("Say why, in 200 letters at the most.", field="reason")
    locked = _locked(line)
    _settle(locked, _STATE.ASIDE, reason=why)
    _audit("bank_line.set_aside", locked, actor, {"reason": why})
    return locked


@transaction.atomic
def take_up(*, line: BankLine, actor: Actor) -> BankLine:
    """Have a line that was set aside matched after all."""
    locked = BankLine.objects.select_for_update().get(pk=line.pk)
    if locked.state != _STATE.ASIDE:
        raise Refused("It is not set aside.")
    before = locked.reason
    _settle(locked, _STATE.OPEN)
    _audit("bank_line.taken_up", locked, actor, {"was": before})
    return locked


@transaction.atomic
def pay_out(*, line: BankLine, client: Client, actor: Actor, now: datetime) -> BankLine:
    """Book money that was sent to a client: its credit becomes less.

    ``Refused`` where the client has less credit, or credit in another currency.
    """
    client = receipts.client_of(client.pk)
    locked = _locked(line)
    if locked.amount >= 0:
        raise Refused("That money came in.")
    rows = CreditEntry.objects.filter(client=client, currency=locked.currency)
    spare = rows.aggregate(sum=Sum("amount"))["sum"] or Decimal(0)
    if spare < -locked.amount:
        said = currencies.said(spare, locked.currency)
        raise Refused(f"{client} has no more than {said} of credit.", field="client")
    _settle(locked, _STATE.BOOKED, client=client)
    way = _way(locked, client, actor)
    receipts.take_back(way=way, shares=(), amount=-locked.amount, spare_first=True, now=now)
    _audit("bank_line.paid_out", locked, actor, {"amount": str(locked.amount)})
    return locked


def _locked(line: BankLine) -> BankLine:
    """The line, if nobody has dealt with it meanwhile."""
    locked = BankLine.objects.select_for_update().get(pk=line.pk)
    if locked.state != _STATE.OPEN:
        raise Refused(f"The line is {locked.get_state_display().lower()} already.")
    return locked


def _refuse_unfit(line: BankLine, paid: BankLine) -> None:
    if line.amount >= 0:
        raise Refused("That money came in: nothing was taken back.")
    if paid.state != _STATE.BOOKED or paid.amount <= 0:
        raise Refused("Choose a line that is booked on invoices.", field="of")
    if BankLine.objects.filter(returns=paid).exists():
        raise Refused("That line was returned already.", field="of")
    if (line.account, line.currency) != (paid.account, paid.currency):
        raise Refused("That line is of another account or currency.", field="of")
    if -line.amount not in (paid.amount, paid.amount + line.charges):
        out, came = (currencies.said(each, line.currency) for each in (-line.amount, paid.amount))
        raise Refused(f"{out} went out, and {came} came in with that line.", field="of")


def _reverse(paid: BankLine, way: Way, now: datetime) -> None:
    """Take back all that a line has paid and not lost since."""
    rows = Payment.objects.filter(line=paid).values("invoice").annotate(left=Sum("amount"))
    left = {row["invoice"]: row["left"] for row in rows.order_by() if row["left"] > 0}
    found = {each.invoice_id: each.invoice for each in paid.payments.select_related("invoice")}
    shares = [Share(found[pk], amount) for pk, amount in left.items()]
    shares.sort(key=lambda each: each.invoice.sequence or 0, reverse=True)
    surplus = paid.amount - sum((each.amount for each in shares), Decimal(0))
    receipts.take_back(way=way, shares=shares, amount=paid.amount, surplus=surplus, now=now)


def _settle(
    line: BankLine,
    state: BankLine.State,
    *,
    client: Client | None = None,
    reason: str = "",
    returns: BankLine | None = None,
) -> None:
    line.state, line.client, line.reason, line.returns = state, client, reason, returns
    line.save(update_fields=["state", "client", "reason", "returns"])


def _way(line: BankLine, client: Client, actor: Actor) -> Way:
    return Way(
        client=client,
        currency=line.currency,
        method=Payment.Method.TRANSFER,
        on=line.booked_on,
        actor=actor,
        reference=line.bank_reference,
        line=line,
    )


def _audit(action: str, line: BankLine, actor: Actor, told: Mapping[str, object]) -> None:
    audit.record(action=action, actor=actor, client=line.client, obj=line, after=told)
