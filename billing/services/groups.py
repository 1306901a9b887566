"""What the groups of staff may do in this room."""

from __future__ import annotations

from typing import Any

from tenants.services.groups import FINANCE, OPERATIONS, SUPPORT, sync_groups

# Least privilege: what is not here, a group may not.
BILLING = {
    OPERATIONS: ("view_modelcost", "view_margin"),
    SUPPORT: ("view_modelcost",),
    FINANCE: (
        "view_rate",
        "add_rate",
        "change_rate",
        "view_modelcost",
        "view_planbudget",
        "add_planbudget",
        "change_planbudget",
        "view_dunningpolicy",
        "add_dunningpolicy",
        "change_dunningpolicy",
        "view_dunninggrace",
        "add_dunninggrace",
        "change_dunninggrace",
        "view_downtimecredit",
        "view_dunningstep",
        "view_dunningsuspension",
        "view_price",
        "add_price",
        "view_coupon",
        "add_coupon",
        "view_discount",
        "add_discount",
        "view_seller",
        "add_seller",
        "change_seller",
        "view_billingprofile",
        "add_billingprofile",
        "change_billingprofile",
        "view_subscription",
        "view_billingrun",
        "add_billingrun",
        "view_invoice",
        "view_invoiceline",
        "view_servercost",
        "add_servercost",
        "change_servercost",
        "view_margin",
        "view_invoicemail",
        "change_invoicemail",
        "view_invoiceexport",
        "add_invoiceexport",
        "view_bookkeeping",
        "add_bookkeeping",
        "change_bookkeeping",
        "view_vataccount",
        "add_vataccount",
        "change_vataccount",
        "view_debtoraccount",
        "add_debtoraccount",
        "change_debtoraccount",
        "add_invoice",
        "view_bankstatement",
        "add_bankstatement",
        "view_bankline",
        "change_bankline",
        "view_onlinepage",
        "change_onlinepage",
        "view_onlinereversal",
        "view_onlineevent",
        "view_payment",
        "add_payment",
        "view_creditentry",
        "add_creditentry",
    ),
}


def sync_own(sender: Any, **_: Any) -> None:
    """This room's part, after its migrations."""
    sync_groups(app_label="billing", mapping=BILLING)
