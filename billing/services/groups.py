"""What the groups of staff may do in this room."""

from __future__ import annotations

from typing import Any

from tenants.services.groups import FINANCE, OPERATIONS, SUPPORT, sync_groups

# Least privilege: what is not here, a group may not.
BILLING = {
    OPERATIONS: ("view_modelcost",),
    SUPPORT: ("view_modelcost",),
    FINANCE: (
        "view_rate",
        "add_rate",
        "change_rate",
        "view_modelcost",
        "view_planbudget",
        "add_planbudget",
        "change_planbudget",
    ),
}


def sync_own(sender: Any, **_: Any) -> None:
    """This room's part, after its migrations."""
    sync_groups(app_label="billing", mapping=BILLING)
