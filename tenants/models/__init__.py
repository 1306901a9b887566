"""Tables of who: users, clients, members, data keys, audit events."""

from tenants.models.audit import AuditEvent, AuditHead
from tenants.models.client import Client
from tenants.models.key import DataKey, KeyCanary, KeyRotation
from tenants.models.member import Member, Role
from tenants.models.user import User

__all__ = [
    "AuditEvent",
    "AuditHead",
    "Client",
    "DataKey",
    "KeyCanary",
    "KeyRotation",
    "Member",
    "Role",
    "User",
]
