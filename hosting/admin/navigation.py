"""The sidebar: groups of pages in the order of the work, and in each what the person may open."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from django.http import HttpRequest
from django.urls import get_script_prefix, reverse

# title, icon (of unfold's own font), page (with what is asked of it), permission
_GROUPS: tuple[tuple[str, tuple[tuple[str, str, str, str], ...]], ...] = (
    (
        "Hosting",
        (
            ("Fleet", "monitoring", "hosting_fleet", "hosting.view_server"),
            ("Instances", "deployed_code", "hosting_instance_changelist", "hosting.view_instance"),
            ("Operations", "sync", "hosting_operation_changelist", "hosting.view_operation"),
            ("Backups", "backup", "hosting_backup_changelist", "hosting.view_backup"),
            (
                "Restores",
                "settings_backup_restore",
                "hosting_restore_changelist",
                "hosting.view_restore",
            ),
            (
                "Restore tests",
                "fact_check",
                "hosting_restoretest_changelist",
                "hosting.view_restoretest",
            ),
            ("Upgrades", "upgrade", "hosting_upgrade_changelist", "hosting.view_upgrade"),
            (
                "Rehearsals",
                "theater_comedy",
                "hosting_rehearsal_changelist",
                "hosting.view_rehearsal",
            ),
            ("Rollouts", "rocket_launch", "hosting_rollout_changelist", "hosting.view_rollout"),
            ("Servers", "dns", "hosting_server_changelist", "hosting.view_server"),
            (
                "Fleet actions",
                "waves",
                "hosting_fleetaction_changelist",
                "hosting.view_fleetaction",
            ),
            ("Plans", "tune", "hosting_plan_changelist", "hosting.view_plan"),
            ("Catalog", "apps", "hosting_catalog", "hosting.view_instance"),
            ("Hostnames", "language", "hosting_hostname_changelist", "hosting.view_hostname"),
            ("Subnets", "lan", "hosting_subnet_changelist", "hosting.view_subnet"),
        ),
    ),
    (
        "Reliability",
        (
            ("Incidents", "warning", "hosting_incident_changelist", "hosting.view_incident"),
            (
                "Limit warnings",
                "speed",
                "hosting_limitwarning_changelist",
                "hosting.view_limitwarning",
            ),
            (
                "Maintenance",
                "construction",
                "hosting_maintenancewindow_changelist",
                "hosting.view_maintenancewindow",
            ),
            ("Channels", "campaign", "hosting_channel_changelist", "hosting.view_channel"),
            ("Messages sent", "outbox", "hosting_delivery_changelist", "hosting.view_delivery"),
            ("Objects of no instance", "help", "hosting_stray_changelist", "hosting.view_stray"),
            ("Chores", "event_repeat", "hosting_chore_changelist", "hosting.view_chore"),
        ),
    ),
    (
        "Billing",
        (
            ("Invoices", "receipt_long", "billing_invoice_changelist", "billing.view_invoice"),
            (
                "Next billing run",
                "preview",
                "billing_billingrun_preview",
                "billing.view_billingrun",
            ),
            (
                "Billing runs",
                "play_circle",
                "billing_billingrun_changelist",
                "billing.view_billingrun",
            ),
            (
                "Subscriptions",
                "autorenew",
                "billing_subscription_changelist",
                "billing.view_subscription",
            ),
            (
                "Credits for downtime",
                "undo",
                "billing_downtimecredit_changelist",
                "billing.view_downtimecredit",
            ),
            (
                "Exports",
                "download",
                "billing_invoiceexport_changelist",
                "billing.view_invoiceexport",
            ),
        ),
    ),
    (
        "Money in",
        (
            ("Payments", "account_balance", "billing_payment_changelist", "billing.view_payment"),
            ("Bank lines", "list_alt", "billing_bankline_changelist", "billing.view_bankline"),
            (
                "Statements",
                "upload_file",
                "billing_bankstatement_changelist",
                "billing.view_bankstatement",
            ),
            ("Credit", "add_card", "billing_creditentry_changelist", "billing.view_creditentry"),
            (
                "Paid online",
                "credit_card",
                "billing_onlinepage_changelist",
                "billing.view_onlinepage",
            ),
            (
                "Online messages",
                "webhook",
                "billing_onlineevent_changelist",
                "billing.view_onlineevent",
            ),
        ),
    ),
    (
        "Overdue",
        (
            (
                "Overdue invoices",
                "running_with_errors",
                "billing_invoice_changelist?standing=overdue",
                "billing.view_invoice",
            ),
            (
                "Reminders and notices",
                "alarm",
                "billing_dunningstep_changelist",
                "billing.view_dunningstep",
            ),
            (
                "Suspended for debt",
                "pause_circle",
                "billing_dunningsuspension_changelist",
                "billing.view_dunningsuspension",
            ),
            (
                "Left alone",
                "hourglass",
                "billing_dunninggrace_changelist",
                "billing.view_dunninggrace",
            ),
            (
                "Dunning rules",
                "rule",
                "billing_dunningpolicy_changelist",
                "billing.view_dunningpolicy",
            ),
        ),
    ),
    (
        "Reports",
        (
            ("Revenue", "bar_chart", "billing_report_revenue", "billing.view_invoice"),
            ("Recurring revenue", "trending_up", "billing_report_mrr", "billing.view_invoice"),
            (
                "Receivables",
                "pending_actions",
                "billing_report_receivables",
                "billing.view_invoice",
            ),
            ("VAT", "request_quote", "billing_report_vat", "billing.view_invoice"),
            ("Margin", "donut_small", "billing_report_margin", "billing.view_margin"),
            ("Model costs", "payments", "billing_modelcost_changelist", "billing.view_modelcost"),
        ),
    ),
    (
        "Pricing",
        (
            ("Prices", "sell", "billing_price_changelist", "billing.view_price"),
            ("Coupons", "local_offer", "billing_coupon_changelist", "billing.view_coupon"),
            ("Discounts", "percent", "billing_discount_changelist", "billing.view_discount"),
            ("Rates", "price_change", "billing_rate_changelist", "billing.view_rate"),
            ("Budgets", "savings", "billing_planbudget_changelist", "billing.view_planbudget"),
            ("Server costs", "dns", "billing_servercost_changelist", "billing.view_servercost"),
        ),
    ),
    (
        "Books",
        (
            (
                "Billing details",
                "contact_mail",
                "billing_billingprofile_changelist",
                "billing.view_billingprofile",
            ),
            ("Seller", "store", "billing_seller_changelist", "billing.view_seller"),
            (
                "Bookkeeping",
                "menu_book",
                "billing_bookkeeping_changelist",
                "billing.view_bookkeeping",
            ),
            ("Debtors", "badge", "billing_debtoraccount_changelist", "billing.view_debtoraccount"),
            ("VAT accounts", "balance", "billing_vataccount_changelist", "billing.view_vataccount"),
        ),
    ),
    (
        "Clients and access",
        (
            ("Clients", "domain", "tenants_client_changelist", "tenants.view_client"),
            ("Members", "group", "tenants_member_changelist", "tenants.view_member"),
            ("Users", "person", "tenants_user_changelist", "tenants.view_user"),
            ("Groups", "shield_person", "auth_group_changelist", "auth.view_group"),
        ),
    ),
    (
        "Log",
        (("Audit log", "history", "tenants_auditevent_changelist", "tenants.view_auditevent"),),
    ),
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Unfold's navigation for this person; a group without a page is left out."""
    start = reverse("admin:index")
    overview = {
        "title": "Overview",
        "icon": "monitoring",
        "link": start,
        "active": request.path == start,
    }
    links = _links(get_script_prefix())
    here = _here(request.get_full_path(), links)
    groups = [
        {"title": title, "separator": True, "items": _items(request, pages, links, here)}
        for title, pages in _GROUPS
    ]
    return [{"items": [overview]}, *(group for group in groups if group["items"])]


def _items(
    request: HttpRequest,
    pages: tuple[tuple[str, str, str, str], ...],
    links: Mapping[str, str],
    here: str,
) -> list[dict[str, Any]]:
    return [
        {"title": title, "icon": icon, "link": links[page], "active": page == here}
        for title, icon, page, permission in pages
        if request.user.has_perm(permission)
    ]


@cache
def _links(prefix: str) -> Mapping[str, str]:
    """The address of each page, below that prefix: every page of the admin shows them all."""
    return {page: _address(page) for _, items in _GROUPS for _, _, page, _ in items}


def _address(page: str) -> str:
    name, mark, asked = page.partition("?")
    return f"{reverse(f'admin:{name}')}{mark}{asked}"


def _here(path: str, links: Mapping[str, str]) -> str:
    """The page whose address the path begins with; the longest, since one lies below another."""
    fitting = [page for page, link in links.items() if path.startswith(link)]
    return max(fitting, key=lambda page: len(links[page]), default="")
