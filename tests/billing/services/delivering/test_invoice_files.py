"""The files of issued invoices: made once, kept for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from django.db import IntegrityError, transaction

from billing.documents import page
from billing.documents.errors import Faulty
from billing.documents.invoice import Document
from billing.models import Invoice, InvoiceFile, InvoiceMail
from billing.services.delivering import invoice_files, invoice_mails
from billing.services.invoicing import runs
from hosting.models import Instance, Plan, Server
from tenants.errors import Refused
from tenants.models import AuditEvent, Client
from tests.billing import money
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db
NOW = at("2026-02-01 12:00")
CONTACT = {"contact": "Accounts", "phone": "+49 40 1234567", "email": "billing@berth.example"}


@pytest.fixture
def issue(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> Callable[..., Invoice]:
    """January at 30.00, issued to a company in Germany."""

    def bill(**details: str) -> Invoice:
        money.set_seller(**CONTACT)
        money.set_details(acme, **{"vat_number": "DE136695976", "email": "a@b.example", **details})
        money.set_price(small)
        money.run_since(order(), "2026-01-01")
        runs.bill_due(now=at("2026-02-01"))
        return Invoice.objects.get()

    return bill


def test_an_issued_invoice_gets_its_three_files(issue: Callable[..., Invoice]) -> None:
    invoice = issue()

    assert invoice_files.make_missing(now=NOW) == 1

    files = {file.kind: file for file in invoice.files.all()}
    assert {kind: file.name for kind, file in files.items()} == {
        "pdf": f"{invoice.number}.pdf",
        "factur_x": f"{invoice.number}-factur-x.xml",
        "peppol": f"{invoice.number}-peppol.xml",
    }
    for file in files.values():
        assert file.problem == ""
        assert file.made_at == NOW
        assert hashlib.sha256(bytes(file.content or b"")).hexdigest() == file.sha256
    assert bytes(files["pdf"].content or b"").startswith(b"%PDF-1.7")
    assert bytes(files["peppol"].content or b"").startswith(b"<?xml")


def test_a_credit_for_downtime_fits_into_all_of_them(
    issue: Callable[..., Invoice], small: Plan, order: Callable[..., Instance]
) -> None:
    Plan.objects.filter(pk=small.pk).update(sla_tiers=[[99.0, 25]])
    invoice = issue()
    money.be_down(Instance.objects.get(), "2026-01-10")
    runs.bill_due(now=at("2026-03-01"))
    second = Invoice.objects.exclude(pk=invoice.pk).get()
    assert second.lines.filter(kind="downtime").exists()
    invoice_files.make_missing(now=at("2026-03-01 12:00"))
    assert [file.problem for file in second.files.all()] == ["", "", ""]


def test_files_are_made_once(issue: Callable[..., Invoice]) -> None:
    issue()
    invoice_files.make_missing(now=NOW)

    assert invoice_files.make_missing(now=NOW) == 0
    assert InvoiceFile.objects.count() == 3


def test_what_can_t_be_made_says_why_and_the_rest_is_there(issue: Callable[..., Invoice]) -> None:
    invoice = issue(vat_number="")
    invoice_files.make_missing(now=NOW)

    peppol = invoice.files.get(kind="peppol")
    assert peppol.content is None
    assert peppol.problem == (
        "Peppol wants an electronic address of the buyer, or a VAT number that can be one."
    )
    assert invoice.files.exclude(content=None).count() == 2


def test_an_invoice_that_breaks_the_printer_keeps_nobody_else_waiting(
    issue: Callable[..., Invoice], monkeypatch: pytest.MonkeyPatch
) -> None:
    issue()

    def burst(*_: object, **__: object) -> str:
        raise RuntimeError("no ink")

    monkeypatch.setattr(page, "html", burst)

    with pytest.raises(RuntimeError, match="no ink"):
        invoice_files.make_missing(now=NOW)
    assert InvoiceFile.objects.count() == 0


def test_what_failed_is_tried_again_and_then_mailed_and_the_rest_stays(
    issue: Callable[..., Invoice], monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = issue()

    def torn(document: Document, **_: object) -> str:
        raise Faulty(document.number, ["The paper is torn."])

    with monkeypatch.context() as broken:
        broken.setattr(page, "html", torn)
        assert invoice_files.make_missing(now=NOW) == 1
    kept = {file.kind: file.pk for file in invoice.files.filter(problem="")}
    assert set(kept) == {"factur_x", "peppol"}
    assert invoice.files.get(kind="pdf").problem == "The paper is torn."
    assert InvoiceMail.objects.get().problem == invoice_mails.NO_PDF
    assert invoice_files.make_missing(now=NOW) == 0

    invoice_files.try_again(invoice=invoice, actor=ACTOR, now=NOW)
    event = AuditEvent.objects.get(action="invoice.files_asked_for")
    assert event.after == {"invoice": invoice.number, "files": "pdf"}
    assert invoice_files.make_missing(now=NOW) == 1
    assert invoice_files.make_missing(now=NOW) == 0
    files = {file.kind: file for file in invoice.files.all()}
    assert bytes(files["pdf"].content or b"").startswith(b"%PDF")
    assert {kind: file.pk for kind, file in files.items() if kind != "pdf"} == kept
    mail = InvoiceMail.objects.get()
    assert (mail.problem, mail.send_at) == ("", NOW)
    with pytest.raises(Refused, match="Nothing of it failed"):
        invoice_files.try_again(invoice=invoice, actor=ACTOR, now=NOW)


def test_the_database_refuses_to_change_a_file(issue: Callable[..., Invoice]) -> None:
    issue()
    invoice_files.make_missing(now=NOW)

    for change in (
        lambda: InvoiceFile.objects.update(sha256="0" * 64),
        lambda: InvoiceFile.objects.all()._raw_delete("default"),
    ):
        with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
            change()


def test_a_draft_has_no_files(issue: Callable[..., Invoice]) -> None:
    issue()
    Invoice.objects.create(
        client=Client.objects.get(), currency="EUR", first_day="2026-02-01",
        last_day="2026-02-28", drafted_at=NOW, issue_after=NOW,
    )  # fmt: skip

    assert invoice_files.make_missing(now=NOW) == 1
