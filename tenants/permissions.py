"""What a member may do at a client, by role."""

from __future__ import annotations

from enum import StrEnum

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied

from tenants.models import Client, Member, Role, User


class Permission(StrEnum):
    """One thing a member may do; the value is how a refusal names it."""

    VIEW_INSTANCES = "see instances"
    ORDER_INSTANCE = "order instances"
    OPERATE_INSTANCE = "start, stop or restart instances"
    DELETE_INSTANCE = "delete instances"
    DOWNLOAD_BACKUP = "download backups"  # with every secret of the instance in it
    MAKE_BACKUP = "make or keep backups"
    RESTORE_BACKUP = "restore backups"
    UPGRADE_INSTANCE = "change versions and plans"
    MANAGE_USAGE_TOKENS = "make or revoke usage tokens"
    MANAGE_CHANNELS = "choose whom Berth notifies"
    VIEW_AUDIT = "see the audit log"
    VIEW_MEMBERS = "see the members"
    MANAGE_MEMBERS = "manage members"
    MANAGE_OWNERS = "manage owners"
    VIEW_BILLING = "see costs and invoices"
    MANAGE_BILLING = "change billing"
    MANAGE_CLIENT = "change the client's settings"


P = Permission
LOOKING = frozenset(
    {P.VIEW_INSTANCES, P.DOWNLOAD_BACKUP, P.VIEW_AUDIT, P.VIEW_MEMBERS, P.VIEW_BILLING},
)
ROLES: dict[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    Role.ADMIN: frozenset(Permission) - {P.DOWNLOAD_BACKUP, P.MANAGE_OWNERS},
    Role.BILLING: frozenset(
        {P.VIEW_INSTANCES, P.VIEW_MEMBERS, P.VIEW_BILLING, P.MANAGE_BILLING},
    ),
    Role.VIEWER: frozenset({P.VIEW_INSTANCES, P.VIEW_MEMBERS}),
}


def role_of(user: User | AnonymousUser, client: Client) -> Role | None:
    """The user's role at the client; None for others, for whom the client does not exist.

    Staff have no role at a client by being staff: their place is the admin.
    """
    if not isinstance(user, User) or not user.is_active:
        return None
    role = Member.objects.filter(client=client, user=user).values_list("role", flat=True).first()
    return Role(role) if role else None


def allows(role: Role, client: Client, permission: Permission) -> bool:
    """Whether a role at this client is enough. At an inactive client one may only look."""
    return permission in ROLES[role] and (client.is_active or permission in LOOKING)


def may(user: User | AnonymousUser, client: Client, permission: Permission) -> bool:
    """Whether the user may do that at the client. One query."""
    role = role_of(user, client)
    return role is not None and allows(role, client, permission)


def require(user: User | AnonymousUser, client: Client, permission: Permission) -> None:
    """PermissionDenied with one sentence where :func:`may` says no."""
    role = role_of(user, client)
    if role is None:
        raise PermissionDenied("You are not a member of this client.")
    if allows(role, client, permission):
        return
    if permission in ROLES[role]:
        raise PermissionDenied(f"{client} is inactive, so you can look but not {permission}.")
    raise PermissionDenied(f"As {role.label.lower()} of {client} you may not {permission}.")


def managing(*roles: Role | str) -> Permission:
    """What it takes to give or take these roles: only owners make and unmake owners."""
    return P.MANAGE_OWNERS if Role.OWNER in roles else P.MANAGE_MEMBERS
