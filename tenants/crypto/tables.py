"""The tables that keys are in, asked for by name.

Models may have encrypted fields, so they stand above this package, which can't import them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django.apps import apps
from django.db.models import Manager

if TYPE_CHECKING:
    from tenants.models import AuditHead, Client, DataKey, KeyCanary


HOUSE = UUID(int=0)  # stands for Berth itself where a client's id is expected


def owner_of(row: DataKey) -> UUID:
    """Whose the data key is: a client's id, or :data:`HOUSE`."""
    return row.client_id or HOUSE


def _objects(name: str) -> Any:
    return apps.get_model("tenants", name)._default_manager


def clients() -> Manager[Client]:
    """The clients."""
    return cast("Manager[Client]", _objects("Client"))


def data_keys() -> Manager[DataKey]:
    """The clients' wrapped data keys."""
    return cast("Manager[DataKey]", _objects("DataKey"))


def canaries() -> Manager[KeyCanary]:
    """What each master key must be able to read."""
    return cast("Manager[KeyCanary]", _objects("KeyCanary"))


def audit_heads() -> Manager[AuditHead]:
    """The end of the audit log, which is sealed with a master key."""
    return cast("Manager[AuditHead]", _objects("AuditHead"))
