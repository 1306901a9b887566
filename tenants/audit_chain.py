"""The arithmetic of the audit log: what a hash covers and what the seal of the head does."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from tenants.crypto.master import MasterKey

START = "0" * 64  # what the first event has for the hash of the one before
HASHED = (
    "sequence",
    "at",
    "client_id",
    "actor_id",
    "actor_label",
    "action",
    "object_type",
    "object_id",
    "object_label",
    "before",
    "after",
    "address",
    "user_agent",
    "request_id",
    "previous_hash",
)


def clean_text(text: str) -> str:
    """Text that PostgreSQL stores as it is: no NUL, no half of a surrogate pair."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def clean_address(text: str | None) -> str | None:
    """An address as it will read after the database has had it; None if it is none."""
    try:
        address = ipaddress.ip_address((text or "").split("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def clean_json(value: Any) -> Any:
    """JSON that survives the database unchanged. Numbers other than integers become text."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return clean_text(str(value))
        case float() | Decimal() | UUID() | date() | timedelta():
            return value.isoformat() if isinstance(value, date) else str(value)
        case Mapping():
            return {clean_text(str(key)): clean_json(each) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
            return [clean_json(each) for each in items]
    raise TypeError(f"The audit log takes no {type(value).__name__}.")


def _as_read(address: str | None) -> str | None:
    """One spelling of an address; what Berth would not have written stays as it is, and shows."""
    try:
        return None if address is None else str(ipaddress.ip_address(address))
    except ValueError:
        return str(address)


def digest(event: Mapping[str, Any]) -> str:
    """The SHA-256, in hex, over the canonical JSON of an event's columns except ``hash``."""
    columns = {name: event[name] for name in HASHED}
    at: datetime = columns["at"]
    columns["at"] = at.astimezone(UTC).isoformat(timespec="microseconds")
    columns["client_id"] = None if columns["client_id"] is None else str(columns["client_id"])
    columns["address"] = _as_read(columns["address"])
    canonical = json.dumps(columns, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Head:
    """The last event, and the first that was appended after a tampering, if there is one."""

    sequence: int
    hash: str
    broken_at: int | None

    def seal(self, key: MasterKey) -> str:
        """What only a holder of the master key can write beside it."""
        text = f"{self.sequence}|{self.hash}|{self.broken_at or 0}"
        return key.sign("audit-head", text.encode())

    def is_sealed_by(self, key: MasterKey, seal: str) -> bool:
        """Whether it is as a holder of the master key left it."""
        return hmac.compare_digest(self.seal(key).encode(), seal.encode())
