"""The groups of staff. Their permissions are declared in code, room by room."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db import transaction

OPERATIONS, SUPPORT, FINANCE = "operations", "support", "finance"

# Least privilege: what is not here, a group may not. Codenames of this room's models.
TENANTS = {
    OPERATIONS: ("view_client", "view_member", "view_auditevent"),
    SUPPORT: ("view_client", "view_user", "view_member", "change_member", "view_auditevent"),
    FINANCE: ("view_client",),
}


def sync_groups(*, app_label: str, mapping: Mapping[str, Collection[str]]) -> None:
    """Give each group exactly these permissions (codenames) of one app, and leave those of others.

    For an app's ``post_migrate``. A permission that no model of the app declares is a LookupError;
    one whose migration has not run yet is given when it has.
    """
    unknown = sorted({each for names in mapping.values() for each in names} - _declared(app_label))
    if unknown:
        raise LookupError(f"{app_label} has no permission {', '.join(unknown)}.")
    with transaction.atomic():
        existing = Permission.objects.filter(content_type__app_label=app_label)
        for name, codenames in mapping.items():
            group, _ = Group.objects.get_or_create(name=name)
            group.permissions.remove(*existing.exclude(codename__in=codenames))
            group.permissions.add(*existing.filter(codename__in=codenames))


def _declared(app_label: str) -> set[str]:
    """The codenames that the app's models give rise to."""
    codenames = set()
    for model in apps.get_app_config(app_label).get_models():
        options = model._meta
        codenames |= {f"{action}_{options.model_name}" for action in options.default_permissions}
        codenames |= {str(codename) for codename, _ in options.permissions}
    return codenames


def sync_own(sender: Any, **_: Any) -> None:
    """This room's part, after its migrations."""
    sync_groups(app_label="tenants", mapping=TENANTS)
