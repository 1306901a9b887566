"""Documents a minute and core: Berth's PDF with Factur-X, beside the same libraries used by hand.

One process, one thread, in turn: the PDF as Berth makes it (sums, schema and business rules are
checked, then it is printed and the e-invoice embedded), and as one would by hand: WeasyPrint prints
the same page, factur-x checks the schema and embeds the same e-invoice, nothing else is checked.
Beside it the e-invoices alone, and the exports by row. Times are of this process's CPU, so that
other work on the machine matters less.

    make bench ARGS="--documents 50"   (this alone: python bench/documents.py)
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import facturx
from weasyprint import HTML

from billing.documents import cii, einvoices, page, pdf, sums
from billing.documents.exports import csv_file, xlsx
from billing.documents.invoice import (
    Address,
    Document,
    Kind,
    Line,
    Party,
    Payment,
    PaymentMeans,
    Period,
    Totals,
    Vat,
    VatCategory,
    VatTotal,
)

LINES = 8
MARCH = Period(first_day=date(2026, 3, 1), last_day=date(2026, 3, 31))
GERMAN_VAT = Vat(category=VatCategory.STANDARD, rate=Decimal(19))
NOTHING = Decimal(0)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=50)
    count = parser.parse_known_args()[0].documents
    documents = [_document(number) for number in range(1, count + 1)]
    for make in (pdf.write, by_hand, einvoices.peppol_bis):
        make(documents[0])  # fonts, schemas and rules are read once
    ours, theirs = _in_turn(documents, pdf.write, by_hand)
    print(f"Documents of {LINES} lines, {count} of each, CPU of one process; medians\n")
    _say("PDF/A-3 with Factur-X, all checks", ours)
    _say("the same by hand, schema alone", theirs)
    print(f"{'ratio':36} {ours / theirs:8.2f}\n")
    _say("Factur-X alone, all checks", _median(documents, einvoices.factur_x))
    _say("Peppol UBL, all checks", _median(documents, einvoices.peppol_bis))
    _say("a document's rows of CSV", _whole(documents, _as_csv))
    _say("a document's rows of a workbook", _whole(documents, xlsx.of_documents))


def by_hand(document: Document) -> bytes:
    """What a page and an e-invoice become without Berth."""
    printed = HTML(string=page.html(document)).write_pdf(pdf_variant="pdf/a-3b")
    made: bytes = facturx.generate_from_binary(
        printed, cii.write(document), check_xsd=True, check_schematron=False
    )
    return made


def _in_turn(
    documents: list[Document], one: Callable[[Document], object], two: Callable[[Document], object]
) -> tuple[float, float]:
    times: tuple[list[float], list[float]] = ([], [])
    for document in documents:
        for make, taken in zip((one, two), times, strict=True):
            taken.append(_seconds(make, document))
    return statistics.median(times[0]), statistics.median(times[1])


def _median(documents: list[Document], make: Callable[[Document], object]) -> float:
    return statistics.median(_seconds(make, document) for document in documents)


def _whole(documents: list[Document], make: Callable[[list[Document]], object]) -> float:
    """What a document costs in one file with all the others."""
    return _seconds(make, documents) / len(documents)


def _as_csv(documents: list[Document]) -> bytes:
    return b"".join((*csv_file.of_documents(documents), *csv_file.of_lines(documents)))


def _seconds(make: Callable[[Any], object], of: Any) -> float:
    begin = time.process_time()
    make(of)
    return time.process_time() - begin


def _say(what: str, seconds: float) -> None:
    print(f"{what:36} {seconds * 1000:8.2f} ms {60 / seconds:10,.0f} a minute and core")


def _document(number: int) -> Document:
    """An invoice for a month: plans, and overage in tiers."""
    address = Address(street="Hafenstraße 12", postcode="20457", city="Hamburg", country="DE")
    made = Document(
        kind=Kind.INVOICE,
        number=f"R-2026-{number:04}",
        issue_date=date(2026, 4, 1),
        delivery_date=date(2026, 3, 31),
        due_date=date(2026, 4, 15),
        currency="EUR",
        exponent=2,
        seller=Party(
            name="Berth Hosting GmbH",
            address=address,
            vat_number="DE123456789",
            contact="Accounts",
            phone="+49 40 1234567",
            email="billing@berth.example",
        ),
        buyer=Party(
            name="Acme Logistics GmbH",
            address=address,
            number=f"C-{number}",
            vat_number="DE987654321",
            email="invoices@acme.example",
        ),
        lines=tuple(_line(at) for at in range(1, LINES + 1)),
        vat=(),
        totals=Totals(lines=NOTHING, net=NOTHING, vat=NOTHING, gross=NOTHING, due=NOTHING),
        buyer_reference=f"C-{number}",
        period=MARCH,
        payment=Payment(means=PaymentMeans.SEPA_TRANSFER, iban="DE89370400440532013000"),
    )
    vat = tuple(
        VatTotal(vat=vat, basis=basis, amount=amount)
        for vat, (basis, amount) in sums.vat_of(made).items()
    )
    return replace(made, vat=vat, totals=sums.totals_of(replace(made, vat=vat)))


def _line(at: int) -> Line:
    line = Line(
        number=str(at),
        name=f"gpt-4o, input tokens, tier {at}",
        quantity=Decimal(123_456 * at),
        unit="C62",
        price=Decimal("2.50"),
        base_quantity=Decimal(1_000_000),
        net=NOTHING,
        vat=GERMAN_VAT,
        period=MARCH,
    )
    return replace(line, net=sums.net_of(line, 2))


if __name__ == "__main__":
    main()
