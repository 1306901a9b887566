"""What the groups of staff may do in this room."""

from __future__ import annotations

from typing import Any

from tenants.services.groups import FINANCE, OPERATIONS, SUPPORT, sync_groups

# Least privilege: what is not here, a group may not. Plans are sold, so nobody here changes them.
HOSTING = {
    OPERATIONS: (
        "view_plan",
        "view_server",
        "change_server",
        "view_subnet",
        "view_hostname",
        "view_instance",
        "add_instance",
        "start_instance",
        "operate_instance",
        "suspend_instance",
        "delete_instance",
        "view_operation",
        "cancel_operation",
        "view_backup",
        "make_backup",
        "view_restore",
        "view_restoretest",
        "restore_backup",
        "view_upgrade",
        "upgrade_instance",
        "view_rehearsal",
        "view_rollout",
        "add_rollout",
        "change_rollout",
        "view_fleetaction",
        "add_fleetaction",
        "change_fleetaction",
        "view_incident",
        "view_limitwarning",
        "view_drift",
        "view_channel",
        "add_channel",
        "change_channel",
        "view_delivery",
        "view_maintenancewindow",
        "add_maintenancewindow",
        "change_maintenancewindow",
        "view_stray",
        "remove_stray",
        "view_chore",
    ),
    SUPPORT: (
        "view_hostname",
        "view_instance",
        "start_instance",
        "view_operation",
        "view_backup",
        "make_backup",
        "view_restore",
        "view_restoretest",
        "view_upgrade",
        "view_rehearsal",
        "view_incident",
        "view_limitwarning",
        "view_drift",
        "view_delivery",
        "view_maintenancewindow",
    ),
    FINANCE: ("view_plan", "view_instance", "suspend_instance"),
}


def sync_own(sender: Any, **_: Any) -> None:
    """This room's part, after its migrations."""
    sync_groups(app_label="hosting", mapping=HOSTING)
