"""The groups of staff. Their permissions are declared in code, room by room."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import transaction

OPERATIONS, SUPPORT, FINANCE = "operations", "support", "finance"

# Least privilege: what is not here, a group may not. Codenames of this room's models.
TENANTS = {
    OPERATIONS: ("view_client", "view_member", "view_auditevent"),
    SUPPORT: ("view_client", "view_user", "view_member", "change_member"),
    FINANCE: ("view_client",),
}


def sync_groups(*, app_label: str, mapping: Mapping[str, Collection[str]]) -> None:
    """Give each group exactly these permissions (codenames) of one app, and leave those of others.

    For an app's ``post_migrate``, when its permissions exist. LookupError names an unknown one.
    """
    with transaction.atomic():
        existing = Permission.objects.filter(content_type__app_label=app_label)
        known = {each.codename: each for each in existing}
        for name, codenames in mapping.items():
            missing = sorted(set(codenames) - set(known))
            if missing:
                raise LookupError(f"{app_label} has no permission {', '.join(missing)}.")
            group, _ = Group.objects.get_or_create(name=name)
            wanted = {known[each] for each in codenames}
            group.permissions.remove(*(set(known.values()) - wanted))
            group.permissions.add(*wanted)


def sync_own(sender: Any, **_: Any) -> None:
    """This room's part, after its migrations."""
    sync_groups(app_label="tenants", mapping=TENANTS)
