"""Invoices by a real mail server: away at first, then it takes one and refuses another."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from pytest_django import Settings

from billing.models import Invoice, InvoiceMail
from billing.services import posting
from billing.services.delivering import invoice_files, invoice_mails
from billing.services.invoicing import runs
from hosting.models import Instance, Plan, Server
from tenants.models import Client
from tests.billing import money
from tests.billing.money import at

pytestmark = pytest.mark.django_db
NOW = at("2026-02-01 12:00")


class _Mailbox:
    """Takes every mail but those to one address."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address == "gone@globex.example":
            return "550 5.1.1 No such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=default)))
        return "250 OK"


@pytest.fixture
def port(settings: Settings) -> int:
    """Where the mail server is to be; nobody listens there yet."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = int(free.getsockname()[1])
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", number
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    return number


def _issue(clients: dict[Client, Instance], plan: Plan) -> None:
    money.set_seller(contact="Accounts", phone="+49 40 1234567", email="billing@berth.example")
    money.set_price(plan)
    for client, instance in clients.items():
        email = "books@acme.example" if client.slug == "acme" else "gone@globex.example"
        money.set_details(client, email=email, vat_number="DE136695976")
        money.run_since(instance, "2026-01-01")
    runs.bill_due(now=at("2026-02-01"))


def test_what_is_issued_and_printed_arrives(
    order: Callable[..., Instance],
    memory_server: Server,
    acme: Client,
    other_client: Client,
    small: Plan,
    port: int,
) -> None:
    _issue({acme: order(), other_client: order(client=other_client)}, small)
    assert invoice_files.make_missing(now=NOW) == 2

    assert invoice_mails.send_due(now=NOW) == 0
    problems = set(InvoiceMail.objects.values_list("problem", flat=True))
    assert problems == {"", "The mail server did not take it (ConnectionRefusedError)."}

    box = _Mailbox()
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    try:
        assert invoice_mails.send_due(now=NOW + posting.AWAY) == 1
    finally:
        server.stop()

    ((recipients, letter),) = box.mails
    invoice = Invoice.objects.get(client=acme)
    assert recipients == ["books@acme.example"]
    assert letter["Message-ID"] == f"<invoice-{invoice.pk}-1@localhost>"
    (pdf,) = letter.iter_attachments()
    assert pdf.get_filename() == f"{invoice.number}.pdf"
    kept = invoice.files.get(kind="pdf").sha256
    assert hashlib.sha256(pdf.get_content()).hexdigest() == kept
    refused = InvoiceMail.objects.get(invoice__client=other_client)
    assert refused.problem.endswith("gone@globex.example: 550 5.1.1 No such user")
    assert refused.mailed_at is None
