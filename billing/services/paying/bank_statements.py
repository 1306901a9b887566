"""Importing bank statements: each line once, however often it is in a file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import transaction

from billing import currencies
from billing.bank import camt, table
from billing.bank.entries import Entry, Unreadable
from billing.bank.table import Layout
from billing.models import BankLine, BankStatement
from tenants.errors import Refused
from tenants.services import audit
from tenants.services.actors import Actor

LARGEST = 10 * 1024 * 1024  # bytes; a year of a busy account is less
MOST_LINES = 50_000
WENT_OUT = "Money that went out"


@transaction.atomic
def import_file(
    *, name: str, content: bytes, layout: Layout | None, actor: Actor, now: datetime
) -> BankStatement:
    """Take in the lines of a CAMT.053 file, or of a CSV file where a ``layout`` is given.

    Lines that are known stay as they are. ``Refused`` with the field where the file can't be read;
    then nothing is taken in. What went out and is no return is nobody's payment: it is set aside.
    """
    if len(content) > LARGEST:
        raise Refused(f"The file has more than {LARGEST // 1024**2} MB.", field="file")
    entries = _read(content, layout)
    statement = BankStatement(
        name=name[-200:],
        format=BankStatement.Format.CAMT if layout is None else BankStatement.Format.CSV,
        sha256=hashlib.sha256(content).hexdigest(),
        imported_at=now,
        lines_in_it=len(entries),
        new_lines=0,
        layout=asdict(layout) if layout else {},
    )
    statement.save(force_insert=True)
    statement.new_lines = _keep(statement, entries)
    statement.save(update_fields=["new_lines"])
    told = {"lines": len(entries), "new": statement.new_lines, "sha256": statement.sha256}
    audit.record(action="bank_statement.imported", actor=actor, obj=statement, after=told)
    return statement


def _read(content: bytes, layout: Layout | None) -> Sequence[Entry]:
    if not content.strip():
        raise Refused("The file is empty.", field="file")
    try:
        entries = camt.read(content) if layout is None else table.read(content, layout)
    except Unreadable as error:
        raise Refused(error.sentence, field=error.field) from error
    if not entries:
        raise Refused("The file has no booked line in it.", field="file")
    if len(entries) > MOST_LINES:
        raise Refused(f"The file has more than {MOST_LINES:,} lines.", field="file")
    _refuse_unfit(entries)
    return entries


def _refuse_unfit(entries: Sequence[Entry]) -> None:
    for entry in entries:
        exponent = currencies.exponent(entry.currency)
        has_more = currencies.rounded(entry.amount, exponent) != entry.amount
        if max(abs(entry.amount), entry.charges) >= 10**15 or has_more:
            said = f"“{entry.amount}” of {entry.booked_on} is no amount in {entry.currency}"
            raise Refused(f"{said}, which has {exponent} decimals.", field="file")
        if "\x00" in f"{entry.name}{entry.text}":
            raise Refused("The file has characters that no text has.", field="file")


def _keep(statement: BankStatement, entries: Sequence[Entry]) -> int:
    """The new ones; another import of the same lines at the same time waits for this one."""
    rows = [_row(statement, n, entry) for n, entry in enumerate(entries, start=1)]
    before = _known(entries)
    BankLine.objects.bulk_create(
        (row for row in rows if (row.account, row.key) not in before),
        batch_size=500,
        ignore_conflicts=True,
    )
    return BankLine.objects.filter(statement=statement).count()


def _known(entries: Sequence[Entry]) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    keys: Mapping[str, list[str]] = {entry.account: [] for entry in entries}
    for entry in entries:
        keys[entry.account].append(entry.key)
    for account, own in keys.items():
        rows = BankLine.objects.filter(account=account, key__in=own)
        found.update(rows.values_list("account", "key"))
    return found


def _row(statement: BankStatement, position: int, entry: Entry) -> BankLine:
    values: dict[str, Any] = asdict(entry)
    is_ours = entry.amount < 0 and not entry.is_return
    state = BankLine.State.ASIDE if is_ours else BankLine.State.OPEN
    if not entry.amount:
        state, is_ours = BankLine.State.ASIDE, False
    reason = WENT_OUT if is_ours else "" if entry.amount else "No money moved"
    return BankLine(statement=statement, position=position, state=state, reason=reason, **values)
