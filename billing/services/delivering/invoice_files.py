"""Making the files of issued invoices: once, by a worker, then they are mailed."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from billing.documents.errors import Faulty
from billing.documents.invoice import Document
from billing.models import Invoice, InvoiceFile, InvoiceMail
from billing.services.delivering import invoice_mails, invoice_values

logger = logging.getLogger(__name__)

AT_ONCE = 100
_KIND = InvoiceFile.Kind


def make_missing(*, now: datetime, at_most: int = AT_ONCE) -> int:
    """Make the files of issued invoices that have none, the oldest first; how many invoices.

    Two that do so at once make the same bytes, and one of them is kept. What nobody foresaw is
    raised after all others have been made.
    """
    done, unforeseen = 0, []
    for invoice in _without_files().order_by("issued_at", "pk")[:at_most]:
        try:
            files = list(_files(invoice, now))
        except Exception as error:
            logger.exception("the files of %s could not be made", invoice.number)
            unforeseen.append(error)
            continue
        with transaction.atomic():
            InvoiceFile.objects.bulk_create(files, ignore_conflicts=True)
            mail = invoice_mails.row_for(invoice, files, now)
            InvoiceMail.objects.bulk_create([mail], ignore_conflicts=True)
        done += 1
    if unforeseen:
        raise unforeseen[0]
    return done


def _without_files() -> QuerySet[Invoice]:
    made = InvoiceFile.objects.filter(invoice=OuterRef("pk"))
    issued = Invoice.objects.filter(state=Invoice.State.ISSUED)
    return issued.filter(~Exists(made)).select_related("corrects")


def _files(invoice: Invoice, now: datetime) -> Iterator[InvoiceFile]:
    # Printing takes libraries of some hundred megabytes: only who prints loads them.
    from billing.documents import einvoices, pdf

    document = invoice_values.document(invoice)
    makers: dict[_KIND, Callable[[Document], bytes]] = {
        _KIND.PDF: pdf.write,
        _KIND.FACTUR_X: einvoices.factur_x,
        _KIND.PEPPOL: einvoices.peppol_bis,
    }
    for kind, make in makers.items():
        file = InvoiceFile(invoice=invoice, kind=kind, made_at=now)
        try:
            file.content = make(document)
        except Faulty as faulty:
            file.problem = " ".join(faulty.faults)
            if kind == _KIND.PDF:  # an e-invoice may have a reason not to be; this is a fault
                logger.error("%s can't be printed: %s", invoice.number, file.problem)
        else:
            file.sha256 = hashlib.sha256(file.content).hexdigest()
        yield file
