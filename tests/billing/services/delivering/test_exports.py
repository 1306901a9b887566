"""Exports that workers make: the same bytes, progress, deaths of workers, and an end."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models.functions import Now

from billing import tasks
from billing.models import (
    DebtorAccount,
    Invoice,
    InvoiceExport,
    InvoiceExportPart,
    InvoiceFile,
)
from billing.services import leases
from billing.services.delivering import bookkeeping, export_files, exports
from billing.services.invoicing import credit_notes, runs
from hosting.models import Instance, Plan, Server
from tenants.errors import Refused
from tenants.models import AuditEvent, Client
from tests.billing import money
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db
NOW = at("2026-05-01")


@pytest.fixture
def invoices(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> list[Invoice]:
    """January to March of Acme's, issued in the months after."""
    money.set_seller()
    money.set_details(acme)
    money.set_price(small, "29.99")
    money.run_since(order(), "2026-01-01")
    for month in ("02", "03", "04"):
        runs.bill_due(now=at(f"2026-{month}-01 06:00"))
    return list(Invoice.objects.order_by("sequence"))


@pytest.fixture
def books(db: None) -> None:
    """A business year from March on; one VAT is known."""
    bookkeeping.set_books(
        actor=ACTOR,
        fields={
            "consultant": 1001,
            "client": 7,
            "year_begins": 3,
            "debtor": "10000",
            "xero_account": "200",
            "quickbooks_item": "Hosting",
        },
    )
    bookkeeping.set_vat_account(
        actor=ACTOR,
        fields={
            "category": "S",
            "rate": Decimal(19),
            "account": "8400",
            "xero_tax_type": "19% (VAT on Income)",
            "quickbooks_tax_code": "19.0% S",
        },
    )


def request(kind: str) -> InvoiceExport:
    return exports.request(kind=kind, invoices=Invoice.objects.all(), actor=ACTOR, now=NOW)


def made(kind: str) -> InvoiceExport:
    export = request(kind)
    assert exports.work(now=NOW) == export
    export.refresh_from_db()
    return export


def content(export: InvoiceExport) -> bytes:
    return b"".join(exports.fetch(export=export, actor=ACTOR))


def printed(invoice: Invoice, kind: str, sha256: str = "") -> InvoiceFile:
    content = f"%PDF {invoice.number}".encode()
    return InvoiceFile.objects.create(
        invoice=invoice,
        kind=kind,
        content=content,
        sha256=sha256 or hashlib.sha256(content).hexdigest(),
        made_at=NOW,
    )


@pytest.mark.usefixtures("invoices", "books")
@pytest.mark.parametrize("kind", ["csv", "lines", "xlsx", "datev", "xero", "quickbooks"])
def test_the_same_selection_has_the_same_bytes(kind: str) -> None:
    first, again = made(kind), made(kind)
    assert first.state == "ready"
    assert (first.name, first.sha256, first.size) == (again.name, again.sha256, again.size)
    bytes_ = content(first)
    assert bytes_ == content(again)
    assert hashlib.sha256(bytes_).hexdigest() == first.sha256
    assert (len(bytes_), first.done) == (first.size, 3)
    assert first.expires_at == NOW + timedelta(days=7)


@pytest.mark.usefixtures("invoices")
def test_rows_are_in_the_order_of_issue_whatever_was_read_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(export_files, "AT_ONCE", 2)
    monkeypatch.setattr(exports, "PART", 100)
    export = made("csv")
    rows = list(csv.DictReader(io.StringIO(content(export).decode("utf-8-sig"))))
    assert [row["Number"] for row in rows] == ["INV-000001", "INV-000002", "INV-000003"]
    assert export.parts.count() == -(-export.size // 100) > 1


def test_files_are_packed_as_they_left(invoices: list[Invoice]) -> None:
    failed = made("pdf")
    assert failed.state == "failed"
    assert failed.problem == ("There is no such file of INV-000001, INV-000002, INV-000003 yet.")
    for invoice in invoices:
        printed(invoice, "pdf")
    first, again = made("pdf"), made("pdf")
    assert first.sha256 == again.sha256
    with zipfile.ZipFile(io.BytesIO(content(first))) as packed:
        assert packed.namelist() == [f"{invoice.number}.pdf" for invoice in invoices]
        assert packed.read("INV-000002.pdf") == b"%PDF INV-000002"


def test_a_file_that_is_not_what_it_was_leaves_in_no_archive(invoices: list[Invoice]) -> None:
    for invoice in invoices:
        printed(invoice, "pdf", "" if invoice.number != "INV-000002" else "ab" * 32)
    failed = made("pdf")
    assert (failed.state, failed.parts.count()) == ("failed", 0)
    assert failed.problem == ("INV-000002.pdf is not what it was when it was made; look into that.")


@pytest.mark.usefixtures("invoices", "books")
@pytest.mark.parametrize(
    ("kind", "where", "name"),
    [
        ("csv", "billing.documents.exports.csv_file.BOM", "CSV"),
        ("datev", "billing.documents.exports.datev.COLUMNS", "DATEV"),
        ("xlsx", "billing.documents.exports.tables.document_row", "Excel"),
        ("xero", "billing.documents.exports.xero._day", "Xero"),
        ("quickbooks", "billing.documents.exports.quickbooks._day", "QuickBooks Online"),
    ],
)
def test_a_file_that_does_not_fit_its_format_is_not_saved(
    kind: str, where: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written wrongly: each is read again before it leaves."""
    broken = {"csv": b"\xff\xff", "datev": ("Umsatz",), "xlsx": lambda _: ("x",) * 30}
    monkeypatch.setattr(where, broken.get(kind, lambda day: day.isoformat()))
    failed = made(kind)
    assert (failed.state, failed.parts.count()) == ("failed", 0)
    assert failed.problem.startswith(f"The file does not fit the format of {name}: ")
    assert failed.problem.endswith("Nothing was saved.")


@pytest.mark.usefixtures("books")
def test_datev_has_a_batch_for_each_business_year(invoices: list[Invoice], acme: Client) -> None:
    bookkeeping.set_debtor(client=acme, account="10815", actor=ACTOR)
    export = made("datev")
    assert export.name == "datev.zip"
    with zipfile.ZipFile(io.BytesIO(content(export))) as packed:
        assert packed.namelist() == [
            "EXTF_Buchungsstapel_20260201_20260201.csv",
            "EXTF_Buchungsstapel_20260301_20260401.csv",
        ]
        last = packed.read(packed.namelist()[1]).decode("cp1252").splitlines()
    head = last[0].split(";")
    assert (head[10], head[11], head[12]) == ("1001", "7", "20260301")
    assert [row.split(";")[6:8] for row in last[2:]] == [["10815", "8400"]] * 2


@pytest.mark.usefixtures("books")
def test_one_batch_is_a_file_by_itself(invoices: list[Invoice]) -> None:
    one = Invoice.objects.filter(pk=invoices[0].pk)
    exports.request(kind="datev", invoices=one, actor=ACTOR, now=NOW)
    export = exports.work(now=NOW)
    assert export is not None
    assert export.name == "EXTF_Buchungsstapel_20260201_20260201.csv"
    assert content(export).startswith(b'"EXTF";700;21;')


@pytest.mark.usefixtures("books")
def test_every_document_that_can_t_be_booked_is_named(invoices: list[Invoice]) -> None:
    for invoice in invoices[:2]:
        credit_notes.issue(invoice=invoice, reason="x", actor=ACTOR, now=at("2026-04-10"))
    export = made("quickbooks")
    assert export.state == "failed"
    assert [line.split(":")[0] for line in export.problem.splitlines()] == [
        "CN-000001",
        "CN-000002",
    ]
    assert "QuickBooks imports no credit notes from files" in export.problem
    assert not InvoiceExportPart.objects.exists()


@pytest.mark.usefixtures("invoices")
def test_what_is_asked_for_is_audited_and_what_is_fetched_too() -> None:
    export = made("csv")
    content(export)
    events = AuditEvent.objects.filter(object_id=str(export.pk)).order_by("sequence")
    assert [event.action for event in events] == ["invoices.exported", "export.downloaded"]
    assert events[0].after == {"kind": "csv", "count": 3}


def test_without_anything_issued_there_is_none(db: None) -> None:
    with pytest.raises(Refused, match="None of these has been issued"):
        request("csv")


@pytest.mark.usefixtures("invoices")
def test_what_a_dead_worker_left_another_makes() -> None:
    export = request("csv")
    dead = leases.claim(InvoiceExport.objects.all())
    assert dead is not None
    assert exports.work(now=NOW) is None
    InvoiceExport.objects.update(lease_expires_at=Now() - timedelta(seconds=1))
    assert exports.work(now=NOW) == export
    export.refresh_from_db()
    assert (export.state, export.fence) == ("ready", 2)
    with pytest.raises(leases.Lost):
        leases.Keep(dead)("done")


@pytest.mark.usefixtures("invoices")
def test_who_lost_it_leaves_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    export = request("csv")
    monkeypatch.setattr(exports, "TELL_EVERY", 0.0)
    seen = []

    def overtaken(self: leases.Keep, *names: str) -> None:
        seen.append(names)
        if names == ("done",):
            InvoiceExport.objects.filter(pk=export.pk).update(fence=7)
        keep(self, *names)

    keep = leases.Keep.__call__
    monkeypatch.setattr(leases.Keep, "__call__", overtaken)
    exports.work(now=NOW)
    export.refresh_from_db()
    assert seen == [("state", "done"), ("done",)]
    assert (export.state, export.fence) == ("running", 7)
    assert not InvoiceExportPart.objects.exists()


@pytest.mark.usefixtures("invoices")
def test_what_kills_every_worker_is_given_up() -> None:
    export = request("csv")
    for _ in range(exports.TRIES):
        assert leases.claim(InvoiceExport.objects.all())
        InvoiceExport.objects.update(lease_expires_at=Now() - timedelta(seconds=1))
    exports.work(now=NOW)
    export.refresh_from_db()
    assert export.problem == "5 workers have died over it; choose less."


@pytest.mark.usefixtures("invoices")
def test_what_nobody_foresaw_fails_it_and_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    export = request("csv")

    def broken(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(export_files, "write", broken)
    with pytest.raises(OSError, match="No space"):
        exports.work(now=NOW)
    export.refresh_from_db()
    assert export.problem == "OSError: No space left on device"


@pytest.mark.usefixtures("invoices")
def test_its_file_goes_after_its_time() -> None:
    export = made("csv")
    assert exports.forget_old(now=NOW + timedelta(days=6, hours=23)) == 0
    assert content(export)
    assert exports.forget_old(now=NOW + timedelta(days=7)) == 1
    export.refresh_from_db()
    assert export.state == "gone"
    assert not InvoiceExportPart.objects.exists()
    with pytest.raises(Refused, match="There is no file of it"):
        content(export)


@pytest.mark.usefixtures("invoices")
def test_the_task_makes_all_that_waits() -> None:
    request("csv")
    request("lines")
    tasks.make_exports()
    assert list(InvoiceExport.objects.values_list("state", flat=True)) == ["ready", "ready"]


@pytest.mark.usefixtures("books")
@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"consultant": 1000}, "consultant", "greater than or equal to 1001"),
        ({"client": 100_000}, "client", "less than or equal to 99999"),
        ({"year_begins": 13}, "year_begins", "less than or equal to 12"),
        ({"debtor": "1000"}, "debtor", "has 5 digits here and begins with 1 to 6"),
        ({"debtor": "70000"}, "debtor", "has 5 digits here and begins with 1 to 6"),
        ({"debtor": "1000x"}, "debtor", "up to nine digits"),
        ({"chart": "SKR03"}, "chart", "two digits"),
        ({"account_digits": 5, "debtor": "100000"}, "account_digits", "to have 6 digits"),
    ],
)
def test_books_that_don_t_fit_are_refused_at_the_field(
    acme: Client, fields: bookkeeping.BookFields, field: str, words: str
) -> None:
    bookkeeping.set_debtor(client=acme, account="10815", actor=ACTOR)
    with pytest.raises(Refused, match=words) as refused:
        bookkeeping.set_books(actor=ACTOR, fields=fields)
    assert refused.value.field == field


@pytest.mark.usefixtures("books")
def test_accounts_that_don_t_fit_are_refused_at_the_field(
    acme: Client, other_client: Client
) -> None:
    bookkeeping.set_debtor(client=acme, account="10815", actor=ACTOR)
    with pytest.raises(Refused, match="Another client has that account"):
        bookkeeping.set_debtor(client=other_client, account="10815", actor=ACTOR)
    with pytest.raises(Refused, match="begins with 1 to 6"):
        bookkeeping.set_debtor(client=other_client, account="08150", actor=ACTOR)
    assert DebtorAccount.objects.count() == 1
    vat: bookkeeping.VatFields = {"category": "AE", "rate": Decimal(0), "account": "83360"}
    for wrong, field in (
        (vat, "account"),
        ({**vat, "account": "8336", "rate": Decimal(19)}, "rate"),
        ({**vat, "account": "8336", "tax_key": "x"}, "tax_key"),
    ):
        with pytest.raises(Refused) as refused:
            bookkeeping.set_vat_account(actor=ACTOR, fields=wrong)  # type: ignore[arg-type]
        assert refused.value.field == field
