"""Exports that a worker makes: asked for, taken up, kept for a while, and fetched."""

from __future__ import annotations

import hashlib
import logging
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from billing.models import Invoice, InvoiceExport, InvoiceExportPart
from billing.services import leases
from billing.services.delivering import export_files
from billing.services.delivering.export_files import Impossible, Made, Selection
from billing.services.leases import Keep, Lost
from hosting.services.working import doorbell
from tenants.errors import Refused
from tenants.services import audit
from tenants.services.actors import Actor

logger = logging.getLogger(__name__)

TASK = "billing.tasks.make_exports"
PART = 1024 * 1024
TRIES = 5  # workers that may die over one
TELL_EVERY = 1.0  # seconds between two notes of how far it is
_STATE = InvoiceExport.State


@transaction.atomic
def request(
    *, kind: str, invoices: QuerySet[Invoice], actor: Actor, now: datetime
) -> InvoiceExport:
    """Have a file made of those of the invoices that were issued, in the order of issue.

    ``Refused`` where none was, or the books that it is for have not been entered.
    """
    issued = invoices.filter(state=Invoice.State.ISSUED)
    ordered = issued.order_by("issued_on", "series", "sequence").values_list("pk", flat=True)
    chosen = list(ordered)
    if not chosen:
        raise Refused("None of these has been issued.")
    export_files.refuse_not_set_up(kind)
    export = InvoiceExport.objects.create(
        kind=kind,
        invoices=chosen,
        total=len(chosen),
        requested_at=now,
        requested_by_label=actor.label[:200],
    )
    told = {"kind": str(kind), "count": len(chosen)}
    audit.record(action="invoices.exported", actor=actor, obj=export, after=told)
    transaction.on_commit(lambda: doorbell.ring_for(task=TASK))
    return export


def work(*, now: datetime) -> InvoiceExport | None:
    """Make the oldest file that nobody makes; also one whose worker died. None where there is none.

    What nobody foresaw fails the export, which says so, and is raised.
    """
    waiting = InvoiceExport.objects.filter(ended_at=None).order_by("requested_at")
    export = leases.claim(waiting)
    if export is None:
        return None
    keep = Keep(export)
    try:
        _work(export, now, keep)
    except Lost:
        logger.warning("%s was taken up by another worker", export)
    except (Impossible, Refused) as error:
        _fail(export, str(error), now, keep)
    except Exception as error:
        _fail(export, f"{type(error).__name__}: {error}", now, keep)
        raise
    return export


def _work(export: InvoiceExport, now: datetime, keep: Keep) -> None:
    if export.fence > TRIES:
        raise Impossible(f"{TRIES} workers have died over it; choose less.")
    export.state, export.done = _STATE.RUNNING, 0
    keep("state", "done")
    selection = Selection(export.invoices, _Progress(export, keep))
    with tempfile.TemporaryFile() as out:
        made = export_files.write(export.kind, selection, out)
        _store(export, made, out, now, keep)


class _Progress:
    """Notes how far it is, once a second: the lease goes on with it."""

    def __init__(self, export: InvoiceExport, keep: Keep) -> None:
        self.export, self.keep = export, keep
        self.told_at = time.monotonic()

    def __call__(self, done: int) -> None:
        self.export.done = done
        if time.monotonic() - self.told_at >= TELL_EVERY:
            self.keep("done")
            self.told_at = time.monotonic()


@transaction.atomic
def _store(export: InvoiceExport, made: Made, out: BinaryIO, now: datetime, keep: Keep) -> None:
    """Keep the file, a megabyte at a time, whole or not at all."""
    keep()  # whoever comes meanwhile waits for this row
    export.parts.all().delete()
    digest = hashlib.sha256()
    export.size = out.tell()
    out.seek(0)
    position = 0
    while content := out.read(PART):
        digest.update(content)
        InvoiceExportPart.objects.create(export=export, position=position, content=content)
        position += 1
    export.state, export.done, export.ended_at = _STATE.READY, export.total, now
    export.name, export.media_type = made.name, made.media_type
    export.sha256 = digest.hexdigest()
    export.expires_at = now + settings.BERTH_EXPORTS_KEPT
    keep("state", "done", "ended_at", "name", "media_type", "size", "sha256", "expires_at")


def _fail(export: InvoiceExport, problem: str, now: datetime, keep: Keep) -> None:
    export.state, export.problem, export.ended_at = _STATE.FAILED, problem, now
    keep("state", "problem", "ended_at")


@transaction.atomic
def fetch(*, export: InvoiceExport, actor: Actor) -> Iterator[bytes]:
    """The file, part by part; that it was fetched is in the audit log. ``Refused`` without one."""
    if export.state != _STATE.READY:
        raise Refused("There is no file of it.")
    told = {"name": export.name, "sha256": export.sha256}
    audit.record(action="export.downloaded", actor=actor, obj=export, after=told)
    return _parts(export)


def _parts(export: InvoiceExport) -> Iterator[bytes]:
    for position in range(-(-export.size // PART)):
        part = InvoiceExportPart.objects.get(export=export, position=position)
        yield bytes(part.content)


def forget_old(*, now: datetime) -> int:
    """Drop the files whose time is over; that there was one stays. How many."""
    old = InvoiceExport.objects.filter(state=_STATE.READY, expires_at__lte=now)
    many = 0
    for export in old.only("pk"):
        with transaction.atomic():
            InvoiceExportPart.objects.filter(export=export).delete()
            many += InvoiceExport.objects.filter(pk=export.pk).update(state=_STATE.GONE)
    return many
