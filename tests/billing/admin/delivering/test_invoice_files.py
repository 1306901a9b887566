from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Group
from django.test import Client as Browser
from django.urls import reverse

from billing.models import Invoice, InvoiceFile
from billing.services.invoicing import runs
from hosting.models import Instance, Plan, Server
from tenants.models import Client, User
from tests.billing import money
from tests.billing.money import at

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)


@pytest.fixture
def invoice(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> Invoice:
    money.set_seller()
    money.set_details(acme)
    money.set_price(small)
    money.run_since(order(), "2026-01-01")
    runs.bill_due(now=at("2026-02-01"))
    return Invoice.objects.get()


def staff(group: str) -> Browser:
    user = User.objects.create_user(
        f"{group}@berth.example", "correct horse battery", name="Bob", is_staff=True
    )
    user.groups.add(Group.objects.get(name=group))
    browser = Browser()
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return browser


def keep(invoice: Invoice) -> None:
    """A PDF, and why there is nothing for Peppol."""
    made = {"invoice": invoice, "made_at": NOW}
    InvoiceFile.objects.create(kind="pdf", content=b"%PDF-1.7", sha256="ab" * 32, **made)
    InvoiceFile.objects.create(kind="peppol", problem="Peppol has no address of it.", **made)


def page(browser: Browser, invoice: Invoice) -> str:
    url = reverse("admin:billing_invoice_change", args=[invoice.pk])
    return browser.get(url).content.decode()


def file_url(invoice: Invoice, kind: str) -> str:
    return reverse("admin:billing_invoice_file", args=[invoice.pk, kind])


def test_an_invoice_s_page_leads_to_its_files_and_says_which_there_is_not(invoice: Invoice) -> None:
    finance = staff("finance")
    assert "Made within some minutes." in page(finance, invoice)

    keep(invoice)

    html = page(finance, invoice)
    assert f'href="{file_url(invoice, "pdf")}"' in html
    assert "SHA-256 abababab" in html
    assert "Peppol UBL: Peppol has no address of it." in html
    assert file_url(invoice, "peppol") not in html


def test_a_file_comes_as_it_was_made(invoice: Invoice) -> None:
    keep(invoice)

    answer = staff("finance").get(file_url(invoice, "pdf"))

    assert answer.content == b"%PDF-1.7"
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"] == f'attachment; filename="{invoice.number}.pdf"'


def test_what_there_is_not_is_not_found(invoice: Invoice) -> None:
    keep(invoice)
    finance = staff("finance")

    for kind in ("peppol", "factur_x", "docx"):
        assert finance.get(file_url(invoice, kind)).status_code == 404


def test_nobody_but_finance_reads_them(invoice: Invoice) -> None:
    keep(invoice)

    assert staff("support").get(file_url(invoice, "pdf")).status_code == 403


def test_what_failed_is_tried_again_after_a_question(invoice: Invoice) -> None:
    again = reverse("admin:billing_invoice_files_again", args=[invoice.pk])
    finance = staff("finance")
    assert again not in page(finance, invoice)
    keep(invoice)
    assert f'href="{again}"' in page(finance, invoice)
    assert "Peppol UBL: Peppol has no address of it." in finance.get(again).content.decode()
    assert invoice.files.count() == 2

    answer = finance.post(again, follow=True)

    assert (
        f"What failed of {invoice.number} is made within some minutes." in answer.content.decode()
    )
    assert [file.kind for file in invoice.files.all()] == ["pdf"]
    assert "Nothing of it failed" in finance.post(again, follow=True).content.decode()


def test_nobody_but_finance_has_it_tried_again(invoice: Invoice) -> None:
    keep(invoice)
    again = reverse("admin:billing_invoice_files_again", args=[invoice.pk])

    assert staff("support").post(again).status_code == 403
    assert invoice.files.count() == 2
