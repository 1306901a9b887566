"""What the file of an export holds, kind by kind: the same selection makes the same bytes."""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from typing import BinaryIO

from billing.documents.errors import Faulty, Unfit
from billing.documents.exports import (
    archives,
    csv_file,
    datev,
    datev_rules,
    forms,
    quickbooks,
    xero,
    xlsx,
    xlsx_rules,
)
from billing.documents.invoice import Document
from billing.models import Invoice, InvoiceExport, InvoiceFile
from billing.services.delivering import bookkeeping, invoice_values

logger = logging.getLogger(__name__)

AT_ONCE = 500  # invoices that are read together
FAULTS = 20  # that are said
_KIND = InvoiceExport.Kind
_FILE = InvoiceFile.Kind
_CSV, _ZIP = "text/csv", "application/zip"
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_KINDS_OF_FILE = {_KIND.PDF: (_FILE.PDF,), _KIND.E_INVOICES: (_FILE.PEPPOL, _FILE.FACTUR_X)}
Seen = Callable[[int], None]


class Impossible(Exception):
    """There can be no such file, as a sentence."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a file is called, and what it is."""

    name: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Selection:
    """Issued invoices in their order; ``seen`` is told how many have been read."""

    invoices: Sequence[uuid.UUID]
    seen: Seen

    def documents(self) -> Iterator[Document]:
        """As plain values, some hundreds read at a time."""
        for number, invoice in enumerate(self._invoices(), start=1):
            yield invoice_values.document(invoice)
            self.seen(number)

    def _invoices(self) -> Iterator[Invoice]:
        whole = Invoice.objects.select_related("corrects").prefetch_related("lines", "payments")
        for chunk in self.chunks():
            known = whole.in_bulk(chunk)
            yield from (known[pk] for pk in chunk)

    def chunks(self) -> Iterator[list[uuid.UUID]]:
        """So many at a time."""
        for place in range(0, len(self.invoices), AT_ONCE):
            yield list(self.invoices[place : place + AT_ONCE])


def write(kind: str, selection: Selection, out: BinaryIO) -> Made:
    """Write the file, and read it again as the program would that it is for.

    Raises ``Impossible`` or ``tenants.errors.Refused``, with what to do.
    """
    try:
        return _write(kind, selection, out)
    except Unfit as unfit:
        logger.exception("an export does not fit its format")
        raise Impossible(f"{unfit} Nothing was saved.") from unfit


def _write(kind: str, selection: Selection, out: BinaryIO) -> Made:
    match kind:
        case _KIND.CSV:
            rows = csv_file.of_documents(selection.documents())
            return _lines(out, rows, csv_file.DOCUMENTS, "invoices.csv")
        case _KIND.LINES:
            rows = csv_file.of_lines(selection.documents())
            return _lines(out, rows, csv_file.LINES, "invoice-lines.csv")
        case _KIND.XLSX:
            return _workbook(out, selection)
        case _KIND.PDF | _KIND.E_INVOICES:
            return _packed(out, selection, _KIND(kind))
        case _:
            return _booked(out, selection, _KIND(kind))


def refuse_not_set_up(kind: str) -> None:
    """``Refused`` where the books of that kind have not been entered."""
    match kind:
        case _KIND.DATEV:
            bookkeeping.datev(date(2000, 1, 1))
        case _KIND.XERO:
            bookkeeping.xero()
        case _KIND.QUICKBOOKS:
            bookkeeping.quickbooks()


def _lines(out: BinaryIO, rows: Iterable[bytes], form: forms.Form, name: str) -> Made:
    for row in rows:
        out.write(row)
    forms.check(out, form)
    return Made(name, _CSV)


def _workbook(out: BinaryIO, selection: Selection) -> Made:
    try:
        out.write(xlsx_rules.refuse_unfit(xlsx.of_documents(selection.documents())))
    except xlsx.TooManyRows as error:
        raise Impossible(str(error)) from error
    return Made("invoices.xlsx", _SHEET)


def _packed(out: BinaryIO, selection: Selection, kind: _KIND) -> Made:
    """The first of the kinds of file that each invoice has; all of them, or none."""
    wanted = _wanted(selection, _KINDS_OF_FILE[kind])
    archives.pack(out, _contents(wanted, selection.seen))
    return Made("invoices-pdf.zip" if kind == _KIND.PDF else "e-invoices.zip", _ZIP)


def _wanted(selection: Selection, kinds: Sequence[_FILE]) -> list[uuid.UUID]:
    """The files, in the order of the invoices."""
    found: list[uuid.UUID] = []
    missing: list[uuid.UUID] = []
    for chunk in selection.chunks():
        rows = InvoiceFile.objects.filter(invoice__in=chunk, kind__in=kinds, content__isnull=False)
        known = {
            (invoice, kind): pk for pk, invoice, kind in rows.values_list("pk", "invoice", "kind")
        }
        for pk in chunk:
            file = next((known[pk, kind] for kind in kinds if (pk, kind) in known), None)
            if file is None:
                missing.append(pk)
            else:
                found.append(file)
    if missing:
        first = Invoice.objects.filter(pk__in=missing[:5]).order_by(
            "issued_on", "series", "sequence"
        )
        named = ", ".join(invoice.number for invoice in first)
        more = f" and {len(missing) - 5:,} more" if len(missing) > 5 else ""
        raise Impossible(f"There is no such file of {named}{more} yet.")
    return found


def _contents(files: Sequence[uuid.UUID], seen: Seen) -> Iterator[tuple[str, bytes]]:
    """One after the other, so that never more than one is in memory."""
    for number, pk in enumerate(files, start=1):
        file = InvoiceFile.objects.select_related("invoice").get(pk=pk)
        content = bytes(file.content or b"")
        if hashlib.sha256(content).hexdigest() != file.sha256:
            logger.error("%s is not what it was when it was made", file.name)
            raise Impossible(f"{file.name} is not what it was when it was made; look into that.")
        yield file.name, content
        seen(number)


def _booked(out: BinaryIO, selection: Selection, kind: _KIND) -> Made:
    """One file as it is, and several in a ZIP."""
    files_of = _writer(kind)
    try:
        files = list(files_of(selection.documents()))
    except Faulty:
        raise Impossible(_faults(files_of, selection)) from None
    if len(files) == 1:
        name, content = files[0]
        out.write(content)
        return Made(name, _CSV)
    archives.pack(out, files)
    return Made(f"{kind}.zip", _ZIP)


_Files = Iterator[tuple[str, bytes]]
_Writer = Callable[[Iterable[Document]], _Files]


def _writer(kind: _KIND) -> _Writer:
    """What makes the files, with the books as they are now."""
    if kind == _KIND.DATEV:
        return _datev_writer()
    if kind == _KIND.XERO:
        xeros = bookkeeping.xero()
        return lambda documents: _numbered("xero", xero.files(documents, xeros))
    quicks = bookkeeping.quickbooks()
    return lambda documents: _numbered("quickbooks", quickbooks.files(documents, quicks))


def _numbered(name: str, files: Iterable[bytes]) -> _Files:
    for number, content in enumerate(files, start=1):
        yield f"{name}-{number:03d}.csv", content


def _datev_writer() -> _Writer:
    """A batch for each business year: it lies within one."""
    books = bookkeeping.datev(date(2000, 1, 1))
    month = bookkeeping.year_begins()

    def batches(documents: Iterable[Document]) -> _Files:
        for year, those in groupby(documents, key=lambda each: _year_of(each.issue_date, month)):
            batch = list(those)
            first, last = batch[0].issue_date, batch[-1].issue_date
            of_year = replace(books, year_begins_on=year)
            rows = datev.write(batch, of_year, first_day=first, last_day=last)
            name = f"EXTF_Buchungsstapel_{first:%Y%m%d}_{last:%Y%m%d}.csv"
            yield name, datev_rules.refuse_unfit(b"".join(rows))

    return batches


def _year_of(day: date, month: int) -> date:
    """The first day of the business year that the day lies in."""
    return date(day.year if day.month >= month else day.year - 1, month, 1)


def _faults(files_of: _Writer, selection: Selection) -> str:
    """What is wrong with each document, the first of them."""
    faults = []
    for document in selection.documents():
        try:
            for _ in files_of([document]):
                pass
        except Faulty as faulty:
            faults.append(str(faulty))
    more = f"\nAnd {len(faults) - FAULTS:,} more." if len(faults) > FAULTS else ""
    return "\n".join(faults[:FAULTS]) + more
