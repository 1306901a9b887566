"""Making the files of issued invoices: once, by a worker, then they are mailed."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Iterator
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from billing.documents.errors import Faulty
from billing.documents.invoice import Document
from billing.models import Invoice, InvoiceFile, InvoiceMail
from billing.services.delivering import invoice_mails, invoice_values
from tenants.errors import Refused
from tenants.services import audit
from tenants.services.actors import Actor

logger = logging.getLogger(__name__)

AT_ONCE = 100
_KIND = InvoiceFile.Kind


def make_missing(*, now: datetime, at_most: int = AT_ONCE) -> int:
    """Make the files of issued invoices that are not there, the oldest first; how many invoices.

    Two that do so at once make the same bytes, and one of them is kept. What nobody foresaw is
    raised after all others have been made.
    """
    done, unforeseen = 0, []
    for invoice in _without_files().order_by("issued_at", "pk")[:at_most]:
        try:
            kinds = set(_KIND) - {_KIND(each.kind) for each in invoice.files.defer("content")}
            files = list(_files(invoice, kinds, now))
        except Exception as error:
            logger.exception("the files of %s could not be made", invoice.number)
            unforeseen.append(error)
            continue
        with transaction.atomic():
            InvoiceFile.objects.bulk_create(files, ignore_conflicts=True)
            if _KIND.PDF in kinds:
                mail = invoice_mails.row_for(invoice, files, now)
                InvoiceMail.objects.bulk_create([mail], ignore_conflicts=True)
        done += 1
    if unforeseen:
        raise unforeseen[0]
    return done


@transaction.atomic
def try_again(*, invoice: Invoice, actor: Actor, now: datetime) -> None:
    """Have what could not be made of an invoice made anew: what was at fault may be mended.

    What is there stays as it is. ``Refused`` where nothing failed. A mail that waited for the PDF
    goes out with it.
    """
    failed = InvoiceFile.objects.select_for_update().filter(invoice=invoice).exclude(problem="")
    kinds = sorted(failed.values_list("kind", flat=True))
    if not kinds:
        raise Refused("Nothing of it failed: its files are there, or are being made.")
    failed.delete()
    InvoiceMail.objects.filter(invoice=invoice, problem=invoice_mails.NO_PDF).delete()
    audit.record(
        action="invoice.files_asked_for",
        actor=actor,
        client=invoice.client,
        obj=invoice,
        after={"invoice": invoice.number, "files": ", ".join(kinds)},
    )


def _without_files() -> QuerySet[Invoice]:
    made = InvoiceFile.objects.filter(invoice=OuterRef("pk"))
    all_there = [Exists(made.filter(kind=kind)) for kind in _KIND]
    issued = Invoice.objects.filter(state=Invoice.State.ISSUED)
    return issued.exclude(*all_there).select_related("corrects")


def _files(invoice: Invoice, kinds: Collection[_KIND], now: datetime) -> Iterator[InvoiceFile]:
    # Printing takes libraries of some hundred megabytes: only who prints loads them.
    from billing.documents import einvoices, pdf

    document = invoice_values.document(invoice)
    makers: dict[_KIND, Callable[[Document], bytes]] = {
        _KIND.PDF: pdf.write,
        _KIND.FACTUR_X: einvoices.factur_x,
        _KIND.PEPPOL: einvoices.peppol_bis,
    }
    for kind, make in ((each, makers[each]) for each in makers if each in kinds):
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
