"""Which mails a client got about an invoice: with it, and since it was overdue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.models import DunningStep, Invoice, InvoiceMail

_Kind = DunningStep.Kind


@dataclass(frozen=True, slots=True)
class Letter:
    """What it was about; ``sent_at`` is None where it has not been sent, or never will be."""

    about: str
    sent_at: datetime | None
    sent_to: Sequence[str]
    is_waiting: bool  # to be sent yet


def of_invoice(invoice: Invoice) -> Sequence[Letter]:
    """The oldest first. Two queries."""
    mail = InvoiceMail.objects.filter(invoice=invoice).first()
    sent = [] if mail is None else [_of_mail(invoice, mail)]
    steps = DunningStep.objects.filter(invoice=invoice).order_by("done_at", "kind")
    return [*sent, *(_of_step(step) for step in steps)]


def _of_mail(invoice: Invoice, mail: InvoiceMail) -> Letter:
    return Letter(
        about=f"The {invoice.get_kind_display().lower()}",
        sent_at=mail.mailed_at,
        sent_to=mail.mailed_to,
        is_waiting=mail.send_at is not None,
    )


def _of_step(step: DunningStep) -> Letter:
    return Letter(
        about=_about(step),
        sent_at=step.mailed_at,
        sent_to=step.mailed_to,
        is_waiting=step.send_at is not None,
    )


def _about(step: DunningStep) -> str:
    match _Kind(step.kind):
        case _Kind.REMINDER:
            return "Reminder that it is overdue"
        case _Kind.SUSPENSION:
            return "Instances suspended until it is paid"
        case _Kind.RESUMPTION:
            return "Instances given back"
        case _Kind.NOTICE:
            return "Notice of termination"
