"""Tables that are broken in one place each: what another program would not take is found."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from billing.documents.errors import Unfit
from billing.documents.exports import csv_file, forms, quickbooks, xero
from billing.documents.exports.forms import Form
from tests.billing.documents import samples
from tests.billing.documents.exports.test_bookkeeping import QUICKBOOKS, XERO

Change = Callable[[bytes], bytes]


def _xero() -> bytes:
    (file,) = xero.files([samples.document(), samples.credit_note()], XERO)
    return file


def _quickbooks() -> bytes:
    (file,) = quickbooks.files([samples.document(), samples.reverse_charge()], QUICKBOOKS)
    return file


def _put(before: str, after: str, times: int = 1) -> Change:
    def change(content: bytes) -> bytes:
        assert before.encode() in content
        return content.replace(before.encode(), after.encode(), times)

    return change


def _found(content: bytes, form: Form) -> list[str]:
    return list(forms.faults(io.BytesIO(content), form))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (_put("*ContactName", "ContactName"), "Its first line does not have the columns of Xero."),
        (_put("Reference,", ""), "Its first line does not have the columns of Xero."),
        (_put(",BrandingTheme", ",BrandingTheme,More"), "does not have the columns"),
        (_put("01/04/2026", "2026-04-01"), "Row 2: “*InvoiceDate” is “2026-04-01”"),
        (_put("01/04/2026", "04/31/2026"), "Row 2: “*InvoiceDate” is “04/31/2026”"),
        (_put(",89.00,", ',"89,00",'), "Row 2: “*UnitAmount” is “89,00”, which does not fit."),
        (_put(",89.00,", ",89.00001,"), "Row 2: “*UnitAmount” is “89.00001”"),
        (_put("EUR", "€"), "Row 2: “Currency” is “€”, which does not fit."),
        (_put("EUR", ""), "Row 2: “Currency” is empty."),
        (_put("R-2026-0042", ""), "Row 2: “*InvoiceNumber” is empty."),
        (_put("19% (VAT on Income)", ""), "Row 2: “*TaxType” is empty."),
        (_put("Acme Logistics GmbH", "=Acme"), "which a spreadsheet would run"),
        (_put("Acme Logistics GmbH", " +1"), "which a spreadsheet would run"),
        (_put("15/04/2026", "16/04/2026"), "Row 3: it says something else of R-2026-0042"),
        (_put(",EUR,\r\n", ",EUR\r\n"), "Row 2 has 26 cells, not 27."),
        (lambda content: content.removesuffix(b"\r\n"), "its last line does not end with CR LF"),
        (lambda content: content + b'"', "The file is no table"),
        (lambda content: content.decode("utf-8-sig").encode("utf-16"), "not in UTF-8"),
        (lambda content: content + content.split(b"\r\n")[1] + b"\r\n", "stood above already"),
        (lambda _: b"", "Its first line does not have the columns"),
    ],
)
def test_what_xero_would_not_take_is_found(change: Change, fault: str) -> None:
    assert _found(_xero(), xero.FORM) == []
    found = _found(change(_xero()), xero.FORM)

    assert any(fault in each for each in found), found


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (_put("*Customer", "Customer"), "does not have the columns of QuickBooks Online."),
        (_put("R-2026-0042", "R-2026-0042-of-a-long-series"), "Row 2: “*InvoiceNo” is"),
        (_put(",89.00,", ",-89.00,"), "which does not fit"),
        (_put("19.0% S", ""), "Row 2: “*ItemTaxCode” is empty."),
        (_put("Hosting", ""), "Row 2: “Item(Product/Service)” is empty."),
        (_put("01/04/2026", "1.4.2026"), "“*InvoiceDate” is “1.4.2026”"),
    ],
)
def test_what_quickbooks_would_not_take_is_found(change: Change, fault: str) -> None:
    assert _found(_quickbooks(), quickbooks.FORM) == []
    found = _found(change(_quickbooks()), quickbooks.FORM)

    assert any(fault in each for each in found), found


@pytest.mark.parametrize("form", [xero.FORM, quickbooks.FORM], ids=lambda form: form.name)
def test_more_than_the_other_takes_is_found(form: Form) -> None:
    head, *rows = (_xero() if form is xero.FORM else _quickbooks()).split(b"\r\n")[:-1]
    assert form.documents_at_most is not None
    many = [
        rows[0].replace(b"R-2026-0042", f"R-{number}".encode())
        for number in range(form.documents_at_most + 1)
    ]
    found = _found(b"\r\n".join([head, *many, b""]), form)
    assert found == [
        f"It has {len(many)} documents, and {form.name} takes {form.documents_at_most}."
    ]
    long = [rows[0]] * 1_001
    (fault,) = _found(b"\r\n".join([head, *long, b""]), form)
    assert fault == f"It has 1,001 rows, and {form.name} takes 1,000."


@pytest.mark.parametrize("name", list(samples.GOLDEN))
def test_our_own_tables_fit(name: str) -> None:
    document = samples.GOLDEN[name]
    assert _found(b"".join(csv_file.of_documents([document])), csv_file.DOCUMENTS) == []
    assert _found(b"".join(csv_file.of_lines([document])), csv_file.LINES) == []


def test_what_is_wrong_with_our_own_is_found() -> None:
    content = b"".join(csv_file.of_documents([samples.document()]))
    assert _found(content.replace(b"141.26", b"141,26,"), csv_file.DOCUMENTS)
    assert _found(content.replace(b"2026-04-15", b"2026-04-31"), csv_file.DOCUMENTS) == [
        "Row 2: “Due on” is “2026-04-31”, which does not fit."
    ]


def test_no_more_than_twenty_faults_are_said() -> None:
    head, row, *_ = _xero().split(b"\r\n")
    broken = row.replace(b"EUR", b"")
    with pytest.raises(Unfit, match="does not fit the format of Xero: Row 2: “Currency”") as caught:
        forms.refuse_unfit(b"\r\n".join([head, *[broken] * 30, b""]), xero.FORM)
    assert len(caught.value.faults) == 20


def test_a_file_that_fits_stays_open_and_as_it_is() -> None:
    file = io.BytesIO(_xero())
    forms.check(file, xero.FORM)
    file.seek(0)
    assert file.read() == _xero() == forms.refuse_unfit(_xero(), xero.FORM)
