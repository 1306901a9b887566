"""Check the audit log from its first event to its head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tenants import audit_chain
from tenants.crypto.master import keyring
from tenants.models import AuditEvent, AuditHead

_COLUMNS = (*audit_chain.HASHED, "hash")


@dataclass(frozen=True, slots=True)
class Verdict:
    """``problem`` is one sentence about the first event that does not fit, or None."""

    events: int
    head_sequence: int
    head_hash: str
    problem: str | None = None


def verify() -> Verdict:
    """Read the whole chain, a few thousand events at a time, while others may append to it.

    Found are: an altered, removed, inserted or reordered event, removed last events, and a chain
    that was written anew by someone without the master key. Not found is the return to an older
    state of the log *and* its head (from an old backup, say), or the emptying of both: against
    that, keep the printed head somewhere else and compare.
    """
    before = AuditHead.objects.first()
    count, last, problem = _walk(before)
    after = AuditHead.objects.first()
    problem = problem or _compare(last, before, after)
    head_sequence, head_hash = (after.sequence, after.hash) if after else last
    return Verdict(count, head_sequence, head_hash, problem)


def _walk(head: AuditHead | None) -> tuple[int, tuple[int, str], str | None]:
    """How many events fit, the last of them, and what is wrong with the next one."""
    count, last = 0, (0, audit_chain.START)
    events = AuditEvent.objects.order_by("sequence").values(*_COLUMNS)
    for event in events.iterator(chunk_size=2000):
        problem = _examine(event, last, head)
        if problem:
            return count, last, problem
        count, last = count + 1, (event["sequence"], event["hash"])
    return count, last, None


def _examine(event: Mapping[str, Any], last: tuple[int, str], head: AuditHead | None) -> str | None:
    sequence = event["sequence"]
    if sequence != last[0] + 1:
        return f"Event {last[0] + 1} is missing: after {last[0]} comes {sequence}."
    if event["previous_hash"] != last[1]:
        return f"Event {sequence} does not follow on event {last[0]}: one of the two was replaced."
    if event["hash"] != audit_chain.digest(event):
        return f"Event {sequence} ({event['action']}) was altered: its hash does not fit."
    if head and sequence == head.sequence and event["hash"] != head.hash:
        return f"Event {sequence} is not the one that the head of the chain names."
    return None


def _compare(
    last: tuple[int, str], before: AuditHead | None, after: AuditHead | None
) -> str | None:
    """The chain's end against the head as it was before and after reading: both may have moved."""
    if after is None:
        return "The head of the chain is missing." if last[0] else None
    if before is not None and last[0] < before.sequence:
        return f"Event {last[0] + 1} is missing: the log ends before its head, {before.sequence}."
    if last[0] > after.sequence:
        return f"Event {after.sequence + 1} was not written by Berth: the head is {after.sequence}."
    return _examine_seal(after)


def _examine_seal(head: AuditHead) -> str | None:
    key = keyring().find(head.master_key_id)
    if key is None:
        return f"The head is sealed by the master key “{head.master_key_id}”, which is not here."
    if not audit_chain.Head(head.sequence, head.hash, head.broken_at).is_sealed_by(key, head.seal):
        return f"The head, event {head.sequence}, was not written by Berth: its seal does not fit."
    if head.broken_at:
        return f"Before event {head.broken_at} the log or its head was changed by someone else."
    return None
