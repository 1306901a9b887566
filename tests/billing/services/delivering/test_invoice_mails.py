"""An issued invoice goes to its client by mail: once, with its files, whatever the server does."""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMessage

from billing.models import Invoice, InvoiceFile, InvoiceMail
from billing.services import posting
from billing.services.delivering import invoice_mails
from billing.services.invoicing import credit_notes, runs
from hosting.models import Instance, Plan, Server
from tenants.errors import Refused
from tenants.models import AuditEvent, Client
from tests.billing import money
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db
NOW = at("2026-02-01 12:00")


def _with_files(invoice: Invoice, *, problem: str = "") -> InvoiceMail:
    """As if its files had been made just now."""
    made = {"invoice": invoice, "made_at": NOW}
    pdf = {"problem": problem} if problem else {"content": b"%PDF-1.7", "sha256": "ab" * 32}
    files = [
        InvoiceFile(kind="pdf", **pdf, **made),
        InvoiceFile(kind="factur_x", content=b"<x/>", sha256="cd" * 32, **made),
        InvoiceFile(kind="peppol", problem="Peppol has no address of it.", **made),
    ]
    InvoiceFile.objects.bulk_create(files)
    row = invoice_mails.row_for(invoice, files, NOW)
    row.save()
    return row


@pytest.fixture
def invoice(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> Invoice:
    """January at 30.00 and VAT."""
    money.set_seller()
    money.set_details(acme, email="books@acme.example")
    money.set_price(small)
    money.run_since(order(), "2026-01-01")
    runs.bill_due(now=at("2026-02-01"))
    return Invoice.objects.get()


def _fail(monkeypatch: pytest.MonkeyPatch, error: Exception) -> list[EmailMessage]:
    """A mail server that answers so; the mails that it was asked to take."""
    asked: list[EmailMessage] = []

    def refuse(message: EmailMessage, *_: Any, **__: Any) -> int:
        asked.append(message)
        raise error

    monkeypatch.setattr(EmailMessage, "send", refuse)
    return asked


def _as_it_is(invoice: Invoice) -> InvoiceMail:
    return InvoiceMail.objects.get(invoice=invoice)


def test_it_goes_to_the_client_s_address_once_with_its_pdf(invoice: Invoice) -> None:
    _with_files(invoice)

    assert invoice_mails.send_due(now=NOW) == 1
    assert invoice_mails.send_due(now=NOW + timedelta(days=9)) == 0

    (letter,) = mail.outbox
    assert letter.to == ["books@acme.example"]
    assert letter.subject == "Invoice INV-000001 of Berth Hosting GmbH"
    assert "Please pay EUR 35.70 by 2026-02-15." in letter.body
    assert "/c/acme/invoices/INV-000001/" in letter.body
    assert letter.attachments == [("INV-000001.pdf", b"%PDF-1.7", "application/pdf")]
    row = _as_it_is(invoice)
    assert (row.mailed_at, row.mailed_to, row.times) == (NOW, ["books@acme.example"], 1)


def test_the_xml_comes_with_it_where_the_seller_wants_that(invoice: Invoice) -> None:
    money.set_seller(mails_e_invoices=True)
    _with_files(invoice)
    invoice_mails.send_due(now=NOW)

    names = [each[0] for each in mail.outbox[0].attachments]
    assert names == ["INV-000001.pdf", "INV-000001-factur-x.xml"]


def test_a_credit_note_says_what_it_corrects(invoice: Invoice) -> None:
    note = credit_notes.issue(
        invoice=invoice, reason="Agreed.", net=Decimal("10.00"), actor=ACTOR, now=NOW
    )
    _with_files(note)
    invoice_mails.send_due(now=NOW)

    letter = mail.outbox[0]
    assert letter.subject == "Credit note CN-000001 of Berth Hosting GmbH"
    assert "over EUR 11.90 for invoice INV-000001" in letter.body
    assert "Please pay" not in letter.body


def test_while_the_server_is_away_all_wait_and_none_is_given_up(
    invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = credit_notes.issue(invoice=invoice, reason="Agreed.", net=None, actor=ACTOR, now=NOW)
    _with_files(invoice)
    _with_files(note)
    moment = NOW
    with monkeypatch.context() as broken:
        asked = _fail(broken, smtplib.SMTPServerDisconnected("gone"))
        for _ in range(20):
            invoice_mails.send_due(now=moment)
            moment += posting.AWAY
    assert len(asked) == 20, "one attempt a round: the server is away for the others too"
    row = _as_it_is(invoice)
    assert row.problem == "The mail server did not take it (SMTPServerDisconnected)."

    assert invoice_mails.send_due(now=moment) == 2
    assert _as_it_is(invoice).problem == ""


def test_what_is_refused_is_tried_some_times_and_then_needs_a_person(
    invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with_files(invoice)
    refusal = smtplib.SMTPRecipientsRefused({"books@acme.example": (550, b"No such\r\nuser")})
    asked = _fail(monkeypatch, refusal)
    moments: list[datetime] = []
    due: datetime | None = NOW
    while due is not None:
        moments.append(due)
        invoice_mails.send_due(now=due)
        due = _as_it_is(invoice).send_at

    assert [after - before for before, after in pairwise(moments)] == list(posting.AGAIN_AFTER)
    assert _as_it_is(invoice).problem == (
        "The mail server refuses it: books@acme.example: 550 No such user"
    )
    assert len({each.extra_headers["Message-ID"] for each in asked}) == 1
    assert invoice_mails.send_due(now=NOW + timedelta(days=99)) == 0


def test_without_an_address_it_says_so_and_goes_out_when_there_is_one(
    invoice: Invoice, acme: Client
) -> None:
    money.set_details(acme, email="")
    _with_files(invoice)
    assert invoice_mails.send_due(now=NOW) == 0
    assert _as_it_is(invoice).problem == posting.NO_ADDRESS

    money.set_details(acme, email="books@acme.example")
    assert invoice_mails.send_due(now=NOW + timedelta(minutes=15)) == 1


def test_without_a_pdf_nothing_is_sent(invoice: Invoice) -> None:
    row = _with_files(invoice, problem="BR-CO-10: the sums differ.")
    assert (row.send_at, row.problem) == (None, invoice_mails.NO_PDF)
    assert invoice_mails.send_due(now=NOW) == 0
    with pytest.raises(Refused, match="no PDF"):
        invoice_mails.send_again(invoice=invoice, actor=ACTOR, now=NOW)


def test_staff_send_it_again_under_another_id(invoice: Invoice) -> None:
    _with_files(invoice)
    invoice_mails.send_due(now=NOW)
    invoice_mails.send_again(invoice=invoice, actor=ACTOR, now=NOW)
    assert AuditEvent.objects.filter(action="invoice.mail_asked_for").count() == 1

    assert invoice_mails.send_due(now=NOW) == 1

    assert _as_it_is(invoice).times == 2
    first, second = (each.extra_headers["Message-ID"] for each in mail.outbox)
    assert first != second


def test_a_draft_is_not_sent(invoice: Invoice, acme: Client) -> None:
    draft = Invoice.objects.create(
        client=acme, currency="EUR", first_day="2026-02-01", last_day="2026-02-28",
        drafted_at=NOW, issue_after=NOW,
    )  # fmt: skip
    with pytest.raises(Refused, match="A draft is not sent"):
        invoice_mails.send_again(invoice=draft, actor=ACTOR, now=NOW)
