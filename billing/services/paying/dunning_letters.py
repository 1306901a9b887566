"""The mails that tell a client of a reminder, a suspension, its end, and a notice.

They are sent after the step is written, outside its transaction: a mail server that is away keeps
nothing else from being done, and the letter is sent when it is back. A worker that dies between
sending and noting it sends it twice, rather than never.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction

from billing import currencies
from billing.models import DunningStep, Settlement
from billing.services import posting

AT_ONCE = 50
_Kind = DunningStep.Kind


@dataclass(frozen=True, slots=True)
class Letter:
    """A line, and a text."""

    subject: str
    text: str


def send_due(*, now: datetime) -> int:
    """Send what has not been sent, what failed before last; how many went out.

    Each is taken with its row locked, so that two workers do not send the same.
    """
    waiting = DunningStep.objects.filter(mailed_at=None).order_by("mail_problem", "done_at", "pk")
    sent = 0
    for pk in list(waiting.values_list("pk", flat=True)[:AT_ONCE]):
        sent += _send(pk, now)
    return sent


@transaction.atomic
def _send(pk: uuid.UUID, now: datetime) -> bool:
    rows = DunningStep.objects.select_for_update(skip_locked=True, of=("self",))
    step = rows.select_related("invoice__client").filter(pk=pk, mailed_at=None).first()
    if step is None:
        return False
    problem = _post(step)
    step.mail_problem = problem
    step.mailed_at = None if problem else now
    step.save(update_fields=["mailed_at", "mail_problem"])
    return not problem


def _post(step: DunningStep) -> str:
    """Send it; why that was not possible, or empty."""
    client = step.invoice.client
    recipients = posting.recipients_of(client)
    if not recipients:
        return posting.NO_ADDRESS
    letter = compose(step, Settlement.objects.get(invoice=step.invoice_id))
    mail = EmailMessage(
        subject=letter.subject,
        body=letter.text,
        to=list(recipients),
        headers={"Auto-Submitted": "auto-generated"},
    )
    return posting.post(mail, about=step.pk).problem[:200]


def compose(step: DunningStep, settlement: Settlement) -> Letter:
    """Its words, with what is open now."""
    invoice = step.invoice
    amount = currencies.said(settlement.open, invoice.currency)
    what = f"invoice {invoice.number} of {invoice.issued_on}"
    sentences = {
        _Kind.REMINDER: (
            f"Reminder: invoice {invoice.number} is overdue",
            f"{amount} of {what} were due on {invoice.due_on} and have not arrived yet. If you have"
            " paid in the meantime, this letter has crossed with your payment.",
        ),
        _Kind.SUSPENSION: (
            f"Your instances are suspended: invoice {invoice.number} is overdue",
            f"{amount} of {what} were due on {invoice.due_on}. Your instances are stopped until it"
            " is paid. Their data is kept and saved every night as before.",
        ),
        _Kind.RESUMPTION: (
            "Your instances are yours again",
            f"What was suspended for {what} starts again now.",
        ),
        _Kind.NOTICE: (
            f"Notice of termination: invoice {invoice.number} is not paid",
            f"{amount} of {what} were due on {invoice.due_on}. Where it is not paid your contract"
            " ends; take your data out with a backup before that. Nothing is deleted by Berth"
            " itself.",
        ),
    }
    subject, text = sentences[_Kind(step.kind)]
    lines = [text]
    if settlement.open and step.kind != _Kind.RESUMPTION:
        seller = invoice.seller
        lines.append(f"To: {seller.get('name')}, {seller.get('iban')}, reference {invoice.number}")
    lines.append(f"{settings.BERTH_URL}/c/{invoice.client.slug}/")
    return Letter(subject=subject, text="\n\n".join(lines))
