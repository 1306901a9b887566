from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client as Browser
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from billing.admin.delivering import invoice_exports
from billing.models import Invoice, InvoiceExport, InvoiceFile
from billing.services.delivering import invoice_values
from billing.services.invoicing import runs
from hosting.models import Instance, Plan, Server
from tenants.models import Client, User
from tests.billing import money
from tests.billing.money import at

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def invoices(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> list[Invoice]:
    """January and February, issued."""
    money.set_seller()
    money.set_details(acme)
    money.set_price(small)
    money.run_since(order(), "2026-01-01")
    runs.bill_due(now=at("2026-02-01"))
    runs.bill_due(now=at("2026-03-01"))
    return list(Invoice.objects.order_by("sequence"))


@pytest.fixture
def finance(db: None) -> Browser:
    user = User.objects.create_user(
        "finance@berth.example", "correct horse battery", name="Bob", is_staff=True
    )
    user.groups.add(Group.objects.get(name="finance"))
    browser = Browser()
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return browser


def save(browser: Browser, action: str, *invoices: Invoice) -> bytes:
    """What the action answers; empty where it only says something on the page."""
    chosen = {"action": action, "_selected_action": [str(each.pk) for each in invoices]}
    answer = browser.post(reverse("admin:billing_invoice_changelist"), chosen)
    return b"" if answer.status_code == 302 else answer.getvalue()


def said(browser: Browser) -> str:
    return browser.get(reverse("admin:billing_invoice_changelist")).content.decode()


def test_the_chosen_are_saved_as_csv_in_the_order_of_issue(
    finance: Browser, invoices: list[Invoice]
) -> None:
    first, second = invoices
    rows = save(finance, "export_csv", second, first).decode("utf-8-sig").splitlines()

    assert [row.split(",")[0] for row in rows] == ["Number", first.number, second.number]
    assert save(finance, "export_lines", first).decode("utf-8-sig").count("\r\n") == 2


def test_the_same_selection_makes_the_same_workbook(
    finance: Browser, invoices: list[Invoice]
) -> None:
    made = save(finance, "export_workbook", *invoices)

    assert made.startswith(b"PK")
    assert save(finance, "export_workbook", *reversed(invoices)) == made


def keep(invoice: Invoice, kind: str, content: bytes) -> None:
    digest = hashlib.sha256(content).hexdigest()
    InvoiceFile.objects.create(
        invoice=invoice, kind=kind, content=content, sha256=digest, made_at=NOW
    )


def test_files_are_saved_in_a_zip_as_they_left(finance: Browser, invoices: list[Invoice]) -> None:
    first, second = invoices
    for invoice in invoices:
        keep(invoice, "pdf", f"%PDF {invoice.number}".encode())
        keep(invoice, "factur_x", b"<cii/>")
    keep(first, "peppol", b"<ubl/>")

    with zipfile.ZipFile(io.BytesIO(save(finance, "export_pdfs", *invoices))) as pdfs:
        assert pdfs.namelist() == [f"{first.number}.pdf", f"{second.number}.pdf"]
        assert pdfs.read(f"{first.number}.pdf") == f"%PDF {first.number}".encode()
    with zipfile.ZipFile(io.BytesIO(save(finance, "export_e_invoices", *invoices))) as xml:
        assert xml.namelist() == [f"{first.number}-peppol.xml", f"{second.number}-factur-x.xml"]


def test_a_file_that_is_not_there_yet_is_said(finance: Browser, invoices: list[Invoice]) -> None:
    assert save(finance, "export_pdfs", invoices[0]) == b""

    assert f"There is no such file of {invoices[0].number} yet." in said(finance)


def test_what_a_page_can_t_be_waited_for_a_worker_makes(
    finance: Browser, invoices: list[Invoice], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invoice_exports, "MOST", 1)

    assert save(finance, "export_csv", *invoices) == b""
    export = InvoiceExport.objects.get()
    assert (export.kind, export.total, export.requested_by_label) == (
        *("csv", 2),
        "Bob <finance@berth.example>",
    )
    assert export.invoices == [each.pk for each in invoices]


def test_who_may_not_ask_a_worker_is_told_how_many(
    finance: Browser, invoices: list[Invoice], monkeypatch: pytest.MonkeyPatch
) -> None:
    Group.objects.get(name="finance").permissions.remove(
        Permission.objects.get(codename="add_invoiceexport")
    )
    monkeypatch.setattr(invoice_exports, "MOST", 1)

    assert save(finance, "export_csv", *invoices) == b""
    page = said(finance)
    assert "These are 2 invoices; choose 1 at the most." in page
    assert "export_datev" not in page
    assert not InvoiceExport.objects.exists()


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("export_datev", "Enter DATEV&#x27;s consultant&#x27;s number"),
        ("export_xero", "Enter Xero&#x27;s account of revenue first"),
        ("export_quickbooks", "Enter QuickBooks&#x27; product or service first"),
    ],
)
def test_books_that_were_not_entered_are_asked_for(
    finance: Browser, invoices: list[Invoice], action: str, words: str
) -> None:
    assert save(finance, action, *invoices) == b""
    assert words in said(finance)
    assert not InvoiceExport.objects.exists()


def test_drafts_are_left_out(finance: Browser, invoices: list[Invoice]) -> None:
    draft = Invoice.objects.create(
        client=invoices[0].client, currency="EUR", first_day="2026-03-01", last_day="2026-03-31",
        drafted_at=NOW, issue_after=NOW,
    )  # fmt: skip

    assert save(finance, "export_csv", draft) == b""
    assert "None of these has been issued." in said(finance)
    assert save(finance, "export_csv", draft, invoices[0]).count(b"\r\n") == 2


def test_many_take_no_more_queries_than_one(
    invoices: list[Invoice], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for chosen in (invoices[:1], invoices):
        with django_assert_num_queries(3):
            found = invoice_values.documents(Invoice.objects.filter(pk__in=[e.pk for e in chosen]))
            assert len(list(found)) == len(chosen)
