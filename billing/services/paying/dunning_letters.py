"""The mails that tell a client of a reminder, a suspension, its end, and a notice.

They are sent after the step is written, outside its transaction: a mail server that is away keeps
nothing else from being done, and the letter is sent when it is back, unless it would be wrong by
then. What the server refuses is tried again some times, and then waits for a person. A worker that
dies between sending and noting it sends it twice, rather than never, under the same message id.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr
from functools import partial

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction

from billing import currencies
from billing.models import BillingProfile, DunningStep, Invoice, InvoiceFile, Settlement
from billing.services import posting
from billing.services.paying import debt_suspensions, dunning, overdue, transfers
from billing.services.posting import Answer
from tenants.errors import Refused
from tenants.services import audit
from tenants.services.actors import Actor

AT_ONCE = 100
SETTLED = "Not sent: nothing of the invoice was open any more."
LEFT_ALONE = "Not sent: the client was left alone by then."
TOO_LITTLE = "Not sent: what was overdue was less than is reminded of by then."
NEWER = "Not sent: there was a newer one by then."
GIVEN_BACK = "Not sent: the instances had been given back by then."
SUSPENDED_AGAIN = "Not sent: the instances were suspended again by then."
_Kind = DunningStep.Kind


@dataclass(frozen=True, slots=True)
class Letter:
    """A line, and a text."""

    subject: str
    text: str


def send_due(*, now: datetime) -> int:
    """Send what is due, the longest waiting first; how many went out."""
    due = DunningStep.objects.filter(send_at__lte=now).order_by("send_at", "pk")
    waiting = list(due.values_list("pk", flat=True)[:AT_ONCE])
    return posting.post_each(waiting, partial(_send, now=now))


@transaction.atomic
def send_again(*, step: DunningStep, actor: Actor, now: datetime) -> None:
    """Send a letter that went nowhere at the next round. ``Refused`` for one that was sent."""
    locked = DunningStep.objects.select_for_update().get(pk=step.pk)
    if locked.mailed_at is not None:
        raise Refused("That letter was sent.")
    locked.send_at, locked.failures, locked.mail_problem = now, 0, ""
    locked.save(update_fields=["send_at", "failures", "mail_problem"])
    invoice = locked.invoice
    audit.record(
        action="dunning.letter_asked_for",
        actor=actor,
        client=invoice.client,
        obj=invoice,
        after={"invoice": invoice.number, "kind": locked.kind, "number": locked.number},
    )


@transaction.atomic
def _send(pk: uuid.UUID, connection: BaseEmailBackend, *, now: datetime) -> Answer | None:
    """Send one and note it; None where another worker has it, or nobody needs it any more."""
    rows = DunningStep.objects.select_for_update(skip_locked=True, of=("self",))
    step = rows.select_related("invoice__client").filter(pk=pk, send_at__lte=now).first()
    if step is None:
        return None
    settlement = Settlement.objects.get(invoice=step.invoice_id)
    step.mail_problem = _not_needed(step, settlement, now)
    if step.mail_problem:
        step.send_at = None
        step.save(update_fields=["send_at", "mail_problem"])
        return None
    answer = _post(step, settlement, connection, now)
    step.save()
    return answer


def _not_needed(step: DunningStep, settlement: Settlement, now: datetime) -> str:
    """Why it would be wrong by now, or empty: letters may have waited for a mail server."""
    later = DunningStep.objects.filter(invoice=step.invoice_id, done_at__gt=step.done_at)
    if step.kind == _Kind.RESUMPTION:
        return SUSPENDED_AGAIN if later.filter(kind=_Kind.SUSPENSION).exists() else ""
    profile = BillingProfile.objects.select_related("client").get(client=step.invoice.client_id)
    if not settlement.open:
        return SETTLED
    if debt_suspensions.is_left_alone(profile, now):
        return LEFT_ALONE
    if overdue.is_too_little(profile=profile, now=now):
        return TOO_LITTLE
    if step.kind == _Kind.REMINDER and later.filter(kind=_Kind.REMINDER).exists():
        return NEWER
    if step.kind == _Kind.SUSPENSION and later.filter(kind=_Kind.RESUMPTION).exists():
        return GIVEN_BACK
    return ""


def _post(
    step: DunningStep, settlement: Settlement, connection: BaseEmailBackend, now: datetime
) -> Answer:
    """Send it, and say on its row how that went."""
    recipients = list(posting.recipients_of(step.invoice.client))
    if recipients:
        letter = compose(step, settlement, now=now)
        files = _attached(step)
        mail = EmailMessage(
            subject=letter.subject,
            body=letter.text,
            to=recipients,
            connection=connection,
            headers={"Auto-Submitted": "auto-generated", "Message-ID": _message_id(step)},
        )
        for file in files:
            mail.attach(file.name, bytes(file.content or b""), file.media_type)
        answer = posting.post(mail, about=f"{step.kind} {step.number} of {step.invoice.number}")
    else:
        answer = Answer(posting.NO_ADDRESS)
    step.mail_problem = answer.problem
    if not answer.problem:
        step.send_at, step.mailed_at, step.mailed_to = None, now, recipients
        step.told_at = now
    else:
        step.send_at = posting.again_at(answer, failures=step.failures, now=now)
        step.failures += not answer.is_away
        if step.send_at is None:
            step.told_at = now  # as well as anybody could: a person sees it in the admin
    return answer


def _attached(step: DunningStep) -> Sequence[InvoiceFile]:
    """The invoice's PDF, where there is one and it is still to be paid."""
    if step.kind == _Kind.RESUMPTION:
        return ()
    return list(step.invoice.files.filter(kind=InvoiceFile.Kind.PDF, problem=""))


def _message_id(step: DunningStep) -> str:
    """The same however often one sending is tried."""
    _, sender = parseaddr(settings.DEFAULT_FROM_EMAIL)
    return f"<dunning-{step.pk}@{sender.rpartition('@')[2]}>"


def compose(step: DunningStep, settlement: Settlement, *, now: datetime) -> Letter:
    """Its words, with what is open now."""
    invoice = step.invoice
    amount = currencies.said(settlement.open, invoice.currency)
    what = f"invoice {invoice.number} of {invoice.issued_on}"
    due = f"{amount} of {what} were due on {invoice.due_on}"
    where = f"{settings.BERTH_URL}/c/{invoice.client.slug}/"
    page = f"{where}invoices/{invoice.number}/"
    match _Kind(step.kind):
        case _Kind.REMINDER:
            subject = f"Reminder: invoice {invoice.number} is overdue"
            text = (
                f"{due} and have not arrived yet. If you have paid in the meantime, this letter"
                " has crossed with your payment."
            )
            lines = [text, *_warning(step, now)]
        case _Kind.SUSPENSION:
            subject, text = _suspended(invoice)
            lines = [f"{due}. {text}"]
        case _Kind.NOTICE:
            subject = f"Notice of termination: invoice {invoice.number} is not paid"
            lines = [
                f"{due}. Where it is not paid before {step.ends_on}, your contract ends on that"
                " day; take your data out with a backup before. Nothing is deleted by Berth"
                " itself."
            ]
        case _Kind.RESUMPTION:
            text = f"What was suspended for {what} starts again now."
            return Letter("Your instances are yours again", f"{text}\n\n{where}")
    to = transfers.of(invoice, settlement.open)
    if to is not None:
        lines.append(transfers.told(to))
    return Letter(subject, "\n\n".join([*lines, page]))


def _suspended(invoice: Invoice) -> tuple[str, str]:
    """What that means for its client, who may have no instance."""
    late = f"invoice {invoice.number} is overdue"
    if not debt_suspensions.open_of(invoice.client).exists():
        return f"Nothing can be ordered: {late}", "Nothing can be ordered until all of it is paid."
    return (
        f"Your instances are suspended: {late}",
        "Your instances are stopped until all of it is paid, and nothing can be ordered. Their data"
        " is kept and saved every night as before.",
    )


def _warning(step: DunningStep, now: datetime) -> list[str]:
    """On which day the instances are suspended, where that is to be and has not been yet."""
    day = dunning.suspends_on(invoice=step.invoice, now=now, warned_now=True)
    if day is None:
        return []
    return [
        f"Where it is not paid before {day}, your instances are suspended on that day: they are"
        " stopped, and their data is kept."
    ]
