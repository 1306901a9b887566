"""Mailing invoices and credit notes to their clients, once their files are there.

Each has a row that can be there once, written with its files. A worker holds that row locked while
it hands the mail to the server, so that two do not send the same; one that dies between sending and
noting it sends it twice, rather than never, under the same message id. While the server is away
everything waits; what it refuses is tried again some times, and then waits for a person.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime
from email.utils import parseaddr
from functools import partial

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction

from billing import currencies
from billing.models import Invoice, InvoiceFile, InvoiceMail, Seller
from billing.services import posting
from billing.services.paying import transfers
from billing.services.posting import Answer
from tenants.errors import Refused
from tenants.services import audit
from tenants.services.actors import Actor

AT_ONCE = 200
NO_PDF = "Its PDF could not be made, so there is nothing to send."
_Kind = InvoiceFile.Kind


def send_due(*, now: datetime) -> int:
    """Send what is due, the longest waiting first; how many went out."""
    due = InvoiceMail.objects.filter(send_at__lte=now).order_by("send_at", "pk")
    waiting = list(due.values_list("pk", flat=True)[:AT_ONCE])
    return posting.post_each(waiting, partial(_send, now=now))


@transaction.atomic
def send_again(*, invoice: Invoice, actor: Actor, now: datetime) -> InvoiceMail:
    """Send it at the next round, also where it went out already. ``Refused`` for a draft."""
    if invoice.state != Invoice.State.ISSUED:
        raise Refused("A draft is not sent: it has no number and no files yet.")
    if not InvoiceFile.objects.filter(invoice=invoice, kind=_Kind.PDF, problem="").exists():
        raise Refused("There is no PDF of it to send.")
    mail, _ = InvoiceMail.objects.select_for_update().get_or_create(
        invoice=invoice, defaults={"send_at": now}
    )
    mail.send_at, mail.failures, mail.problem = now, 0, ""
    mail.save(update_fields=["send_at", "failures", "problem"])
    audit.record(
        action="invoice.mail_asked_for",
        actor=actor,
        client=invoice.client,
        obj=invoice,
        after={"invoice": invoice.number, "times_before": mail.times},
    )
    return mail


def row_for(invoice: Invoice, files: list[InvoiceFile], now: datetime) -> InvoiceMail:
    """The row that is written with an invoice's files."""
    has_pdf = any(each.kind == _Kind.PDF and not each.problem for each in files)
    if has_pdf:
        return InvoiceMail(invoice=invoice, send_at=now)
    return InvoiceMail(invoice=invoice, problem=NO_PDF)


@transaction.atomic
def _send(pk: uuid.UUID, connection: BaseEmailBackend, *, now: datetime) -> Answer | None:
    """Send one and note it; None where another worker has it, or had."""
    rows = InvoiceMail.objects.select_for_update(skip_locked=True, of=("self",))
    mail = rows.select_related("invoice__client").filter(pk=pk, send_at__lte=now).first()
    if mail is None:
        return None
    recipients = list(posting.recipients_of(mail.invoice.client))
    if recipients:
        answer = posting.post(compose(mail, recipients, connection), about=mail.invoice.number)
    else:
        answer = Answer(posting.NO_ADDRESS)
    _note(mail, answer, recipients, now)
    mail.save()
    return answer


def _note(mail: InvoiceMail, answer: Answer, recipients: list[str], now: datetime) -> None:
    mail.problem = answer.problem
    if not answer.problem:
        mail.send_at, mail.failures = None, 0
        mail.mailed_at, mail.mailed_to, mail.times = now, recipients, mail.times + 1
    else:
        mail.send_at = posting.again_at(answer, failures=mail.failures, now=now)
        mail.failures += not answer.is_away


def compose(mail: InvoiceMail, recipients: list[str], connection: BaseEmailBackend) -> EmailMessage:
    """The mail with its files. Its id is the same however often one sending is tried."""
    invoice = mail.invoice
    _, sender = parseaddr(settings.DEFAULT_FROM_EMAIL)
    message_id = f"<invoice-{invoice.pk}-{mail.times + 1}@{sender.rpartition('@')[2]}>"
    letter = EmailMessage(
        subject=f"{invoice.get_kind_display()} {invoice.number} of {invoice.seller.get('name')}",
        body=_text(invoice),
        to=recipients,
        connection=connection,
        headers={"Auto-Submitted": "auto-generated", "Message-ID": message_id},
    )
    for file in _attached(invoice):
        letter.attach(file.name, bytes(file.content or b""), file.media_type)
    return letter


def _attached(invoice: Invoice) -> Iterator[InvoiceFile]:
    seller = Seller.objects.first()
    kinds = [_Kind.PDF]
    if seller is not None and seller.mails_e_invoices:
        kinds += [_Kind.FACTUR_X, _Kind.PEPPOL]
    files = {each.kind: each for each in invoice.files.filter(kind__in=kinds, problem="")}
    for kind in kinds:
        if kind in files:
            yield files[kind]


def _text(invoice: Invoice) -> str:
    total = currencies.said(invoice.total, invoice.currency)
    days = f"{invoice.first_day} to {invoice.last_day}"
    if invoice.kind == Invoice.Kind.CREDIT_NOTE:
        corrected = invoice.corrects.number if invoice.corrects else ""
        lines = [
            f"Attached is credit note {invoice.number} over {total} for invoice {corrected}.",
            f"Reason: {invoice.reason}",
        ]
    else:
        lines = [f"Attached is invoice {invoice.number} over {total} for {days}."]
        lines += _how_to_pay(invoice)
    lines.append(f"{settings.BERTH_URL}/c/{invoice.client.slug}/invoices/{invoice.number}/")
    return "\n\n".join(lines)


def _how_to_pay(invoice: Invoice) -> list[str]:
    """What is open now and where it goes, or that nothing is."""
    settlement = getattr(invoice, "settlement", None)
    if settlement is None or not settlement.open:
        return ["There is nothing to be paid of it."]
    lines = [
        f"Please pay {currencies.said(settlement.open, invoice.currency)} by {invoice.due_on}."
    ]
    to = transfers.of(invoice, settlement.open)
    return lines if to is None else [*lines, transfers.told(to)]
