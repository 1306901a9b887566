"""Write the audit log: one event a change, in the change's own transaction."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.db import connection, models, transaction
from django.utils import timezone

from tenants import audit_chain, request_context
from tenants.audit_chain import Head
from tenants.crypto.master import keyring
from tenants.models import AuditEvent, AuditHead, Client
from tenants.request_context import RequestContext
from tenants.services.actors import Actor

logger = logging.getLogger(__name__)

LOCK = 0x42657274680001  # pg_advisory_xact_lock: one writer of the chain at a time
_SECRET = re.compile(
    r"(password|passwd|secret|token|credential|(private|api|access)[_-]?key)s?$", re.I
)


def record(
    *,
    action: str,
    actor: Actor,
    client: Client | None = None,
    obj: models.Model,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    context: RequestContext | None = None,
) -> AuditEvent:
    """Append an event to the chain, in the caller's transaction, which must exist.

    ``action`` is noun and verb, such as ``instance.stopped``. ``before`` and ``after`` hold only
    what changed, as plain values, and never a secret: text under a name like ``password`` is
    refused. Other writers wait from here until the caller commits, so record last.
    """
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError(
            "An audit event belongs into the transaction of its change; use transaction.atomic()."
        )
    for name, value in _pairs(before or {}, after or {}):
        if isinstance(value, str) and _SECRET.search(name):
            raise ValueError(f"“{name}” looks like a secret; the audit log must not have it.")
    return _append(
        {
            "client_id": client.pk if client else None,
            "action": action,
            **_author(actor, context or request_context.current()),
            **_subject(obj),
            "before": audit_chain.clean_json(before or {}),
            "after": audit_chain.clean_json(after or {}),
        }
    )


def _pairs(*values: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, however deep."""
    for value in values:
        if isinstance(value, Mapping):
            yield from ((str(name), each) for name, each in value.items())
            yield from _pairs(*value.values())
        elif isinstance(value, list | tuple):
            yield from _pairs(*value)


def _author(actor: Actor, context: RequestContext) -> dict[str, Any]:
    return {
        "actor_id": actor.id,
        "actor_label": audit_chain.clean_text(actor.label)[:200],
        "address": audit_chain.clean_address(context.address),
        "user_agent": audit_chain.clean_text(context.user_agent)[:300],
        "request_id": context.request_id[:64],
    }


def _subject(obj: models.Model) -> dict[str, str]:
    return {
        "object_type": obj._meta.model_name or "",
        "object_id": str(obj.pk),
        "object_label": audit_chain.clean_text(str(obj))[:200],
    }


def _append(columns: dict[str, Any]) -> AuditEvent:
    """The next event after the head, and the head moved to it."""
    _lock()
    head = _head()
    columns["sequence"] = head.sequence + 1
    columns["previous_hash"] = head.hash
    columns["at"] = timezone.now()
    event = AuditEvent(**columns, hash=audit_chain.digest(columns))
    event.save(force_insert=True)
    _move(Head(event.sequence, event.hash, head.broken_at))
    return event


def _lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def _head() -> Head:
    """What to append to.

    Work goes on after a forged head, but the next seal says from which event on.
    """
    row = AuditHead.objects.first()
    last = AuditEvent.objects.order_by("-sequence").first()
    if row is None and last is None:
        return Head(0, audit_chain.START, None)
    if row is not None and last is not None and _is_honest(row, last):
        return _of(row)
    sequence = max(row.sequence if row else 0, last.sequence if last else 0)
    logger.error("The audit log was tampered with before event %d.", sequence + 1)
    known = row.broken_at if row else None
    return Head(sequence, last.hash if last else audit_chain.START, known or sequence + 1)


def _of(row: AuditHead) -> Head:
    return Head(row.sequence, row.hash, row.broken_at)


def _is_honest(row: AuditHead, last: AuditEvent) -> bool:
    key = keyring().find(row.master_key_id)
    if key is None or (last.sequence, last.hash) != (row.sequence, row.hash):
        return False
    return _of(row).is_sealed_by(key, row.seal)


def _move(head: Head) -> None:
    key = keyring().newest
    values = {"sequence": head.sequence, "hash": head.hash, "broken_at": head.broken_at}
    AuditHead.objects.update_or_create(
        id=1, defaults={**values, "master_key_id": key.id, "seal": head.seal(key)}
    )


def reseal() -> None:
    """Put the head's seal under the newest master key, so that the one before can be given up."""
    with transaction.atomic():
        _lock()
        row = AuditHead.objects.first()
        if row is not None and row.master_key_id != keyring().newest.id:
            _move(_head())
