"""Who of the staff may open which page and do what: the whole table."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from hosting.models import Instance, Operation, Server

OPERATIONS, SUPPORT, FINANCE = "operations", "support", "finance"
GROUPS = (OPERATIONS, SUPPORT, FINANCE)
PAGES: dict[str, frozenset[str]] = {
    "index": frozenset(GROUPS),
    "hosting_instance_changelist": frozenset(GROUPS),
    "hosting_instance_add": frozenset({OPERATIONS}),
    "hosting_catalog": frozenset(GROUPS),
    "hosting_operation_changelist": frozenset({OPERATIONS, SUPPORT}),
    "hosting_operation_add": frozenset(),
    "hosting_backup_changelist": frozenset({OPERATIONS, SUPPORT}),
    "hosting_backup_add": frozenset(),
    "hosting_restore_changelist": frozenset({OPERATIONS, SUPPORT}),
    "hosting_restore_add": frozenset(),
    "hosting_restoretest_changelist": frozenset({OPERATIONS, SUPPORT}),
    "hosting_restoretest_add": frozenset(),
    "hosting_upgrade_changelist": frozenset({OPERATIONS, SUPPORT}),
    "hosting_upgrade_add": frozenset(),
    "hosting_rehearsal_changelist": frozenset({OPERATIONS, SUPPORT}),
    "hosting_rehearsal_add": frozenset(),
    "hosting_rollout_changelist": frozenset({OPERATIONS}),
    "hosting_rollout_add": frozenset({OPERATIONS}),
    "hosting_server_changelist": frozenset({OPERATIONS}),
    "hosting_server_add": frozenset(),
    "billing_rate_changelist": frozenset({FINANCE}),
    "billing_rate_add": frozenset({FINANCE}),
    "billing_modelcost_changelist": frozenset(GROUPS),
    "billing_modelcost_add": frozenset(),
    "billing_planbudget_changelist": frozenset({FINANCE}),
    "billing_planbudget_add": frozenset({FINANCE}),
    "billing_price_changelist": frozenset({FINANCE}),
    "billing_price_add": frozenset({FINANCE}),
    "billing_coupon_changelist": frozenset({FINANCE}),
    "billing_coupon_add": frozenset({FINANCE}),
    "billing_discount_changelist": frozenset({FINANCE}),
    "billing_discount_add": frozenset({FINANCE}),
    "billing_seller_changelist": frozenset({FINANCE}),
    "billing_seller_add": frozenset({FINANCE}),
    "billing_billingprofile_changelist": frozenset({FINANCE}),
    "billing_billingprofile_add": frozenset({FINANCE}),
    "billing_subscription_changelist": frozenset({FINANCE}),
    "billing_subscription_add": frozenset(),
    "billing_billingrun_changelist": frozenset({FINANCE}),
    "billing_billingrun_preview": frozenset({FINANCE}),
    "billing_billingrun_add": frozenset(),
    "billing_invoice_changelist": frozenset({FINANCE}),
    "billing_invoice_add": frozenset({FINANCE}),
    "billing_report_revenue": frozenset({FINANCE}),
    "billing_report_mrr": frozenset({FINANCE}),
    "billing_report_receivables": frozenset({FINANCE}),
    "billing_report_vat": frozenset({FINANCE}),
    "billing_report_margin": frozenset({OPERATIONS, FINANCE}),
    "billing_dunningstep_changelist": frozenset({FINANCE}),
    "billing_dunningstep_add": frozenset(),
    "billing_dunningsuspension_changelist": frozenset({FINANCE}),
    "billing_dunningsuspension_add": frozenset(),
    "billing_dunninggrace_changelist": frozenset({FINANCE}),
    "billing_dunninggrace_add": frozenset({FINANCE}),
    "billing_dunningpolicy_changelist": frozenset({FINANCE}),
    "billing_dunningpolicy_add": frozenset({FINANCE}),
    "billing_invoiceexport_changelist": frozenset({FINANCE}),
    "billing_invoiceexport_add": frozenset(),
    "billing_bookkeeping_changelist": frozenset({FINANCE}),
    "billing_bookkeeping_add": frozenset({FINANCE}),
    "billing_vataccount_changelist": frozenset({FINANCE}),
    "billing_vataccount_add": frozenset({FINANCE}),
    "billing_debtoraccount_changelist": frozenset({FINANCE}),
    "billing_debtoraccount_add": frozenset({FINANCE}),
    "billing_servercost_changelist": frozenset({FINANCE}),
    "billing_servercost_add": frozenset({FINANCE}),
    "billing_payment_changelist": frozenset({FINANCE}),
    "billing_payment_add": frozenset({FINANCE}),
    "billing_bankstatement_changelist": frozenset({FINANCE}),
    "billing_bankstatement_add": frozenset({FINANCE}),
    "billing_bankline_changelist": frozenset({FINANCE}),
    "billing_bankline_add": frozenset(),
    "billing_onlinepage_changelist": frozenset({FINANCE}),
    "billing_onlinepage_add": frozenset(),
    "billing_onlineevent_changelist": frozenset({FINANCE}),
    "billing_onlineevent_add": frozenset(),
    "billing_creditentry_changelist": frozenset({FINANCE}),
    "billing_downtimecredit_changelist": frozenset({FINANCE}),
    "billing_creditentry_add": frozenset({FINANCE}),
    "hosting_fleetaction_changelist": frozenset({OPERATIONS}),
    "hosting_fleetaction_add": frozenset(),
    "hosting_incident_changelist": frozenset({OPERATIONS, SUPPORT}),
    "hosting_incident_add": frozenset(),
    "hosting_limitwarning_changelist": frozenset({OPERATIONS, SUPPORT}),
    "hosting_limitwarning_add": frozenset(),
    "hosting_channel_changelist": frozenset({OPERATIONS}),
    "hosting_channel_add": frozenset({OPERATIONS}),
    "hosting_delivery_changelist": frozenset({OPERATIONS, SUPPORT}),
    "hosting_delivery_add": frozenset(),
    "hosting_maintenancewindow_changelist": frozenset({OPERATIONS, SUPPORT}),
    "hosting_maintenancewindow_add": frozenset({OPERATIONS}),
    "hosting_stray_changelist": frozenset({OPERATIONS}),
    "hosting_stray_add": frozenset(),
    "hosting_chore_changelist": frozenset({OPERATIONS}),
    "hosting_chore_add": frozenset(),
    "hosting_plan_changelist": frozenset({OPERATIONS, FINANCE}),
    "hosting_plan_add": frozenset(),
    "hosting_hostname_changelist": frozenset({OPERATIONS, SUPPORT}),
    "tenants_auditevent_changelist": frozenset({OPERATIONS, SUPPORT}),
    "hosting_subnet_changelist": frozenset({OPERATIONS}),
    "tenants_client_changelist": frozenset(GROUPS),
    "tenants_client_add": frozenset(),
    "tenants_member_changelist": frozenset({OPERATIONS, SUPPORT}),
    "tenants_member_add": frozenset({SUPPORT}),
    "tenants_user_changelist": frozenset({SUPPORT}),
    "tenants_user_add": frozenset(),
    "auth_group_changelist": frozenset(),
}
VERBS: dict[str, frozenset[str]] = {
    "start": frozenset({OPERATIONS, SUPPORT}),
    "restart": frozenset({OPERATIONS, SUPPORT}),
    "retry": frozenset({OPERATIONS}),
    "stop": frozenset({OPERATIONS}),
    "backup": frozenset({OPERATIONS, SUPPORT}),
    "delete": frozenset({OPERATIONS}),
}
BULK: dict[str, frozenset[str]] = {
    "start_selected": frozenset({OPERATIONS, SUPPORT}),
    "restart_selected": frozenset({OPERATIONS, SUPPORT}),
    "retry_selected": frozenset({OPERATIONS}),
    "stop_selected": frozenset({OPERATIONS}),
    "back_up_selected": frozenset({OPERATIONS, SUPPORT}),
    "delete_instances": frozenset({OPERATIONS}),
    "delete_selected": frozenset(),
}
STATES = {"start": "stopped", "restart": "running", "retry": "failed", "stop": "running"}

Staff = Callable[[str], Browser]


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_opens_its_pages_and_no_other(staff: Staff, group: str) -> None:
    browser = staff(group)
    statuses = {page: browser.get(reverse(f"admin:{page}")).status_code for page in PAGES}
    assert statuses == {page: 200 if group in may else 403 for page, may in PAGES.items()}


@pytest.mark.parametrize("group", GROUPS)
def test_the_sidebar_leads_only_to_what_opens(staff: Staff, group: str) -> None:
    html = staff(group).get(reverse("admin:index")).content.decode()
    sidebar = html[html.index('id="nav-sidebar-apps"') : html.index('id="main"')]
    shown = {page for page in PAGES if f'href="{reverse(f"admin:{page}")}"' in sidebar}
    lists = {page for page in PAGES if not page.endswith("_add")}
    assert shown == {page for page in lists if group in PAGES[page]}


def _here(browser: Browser, address: str) -> list[str]:
    """The links of the sidebar that are marked as where one is."""
    html = browser.get(address).content.decode()
    sidebar = html[html.index('id="nav-sidebar-apps"') : html.index('id="main"')]
    links = re.findall(r'<a href="([^"]+)" class="([^"]*)"', sidebar)
    return [unescape(link) for link, css in links if "active" in css.split()]


@pytest.mark.parametrize(
    ("page", "asked"),
    [
        ("billing_invoice_changelist", ""),
        ("billing_invoice_changelist", "?standing=overdue"),
        ("billing_report_mrr", ""),
        ("billing_report_receivables", ""),
        ("billing_dunningsuspension_changelist", ""),
    ],
)
def test_the_sidebar_says_where_one_is(staff: Staff, page: str, asked: str) -> None:
    address = reverse(f"admin:{page}") + asked
    assert _here(staff(FINANCE), address) == [address]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("group", GROUPS)
def test_a_group_operates_only_as_it_may(
    staff: Staff, order: Callable[..., Instance], memory_server: Server, group: str, verb: str
) -> None:
    instance = order()
    Operation.objects.all().delete()
    Instance.objects.update(state=STATES.get(verb, "running"), first_running_at=instance.created_at)
    browser = staff(group)
    act = reverse("admin:hosting_instance_act", args=[instance.pk, verb])
    allowed = group in VERBS[verb]

    page = browser.get(reverse("admin:hosting_instance_change", args=[instance.pk]))
    assert (act in page.content.decode()) == allowed
    response = browser.post(act, {"confirmation": instance.name})
    assert response.status_code == (302 if allowed else 403)
    assert Operation.objects.exists() == allowed


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_is_offered_only_its_bulk_actions(
    staff: Staff, order: Callable[..., Instance], memory_server: Server, group: str
) -> None:
    instance = order()
    browser = staff(group)
    page = reverse("admin:hosting_instance_changelist")
    for action, may in BULK.items():
        offered = f'value="{action}"' in browser.get(page).content.decode()
        assert offered == (group in may), action
        if not offered:
            browser.post(page, {"action": action, "_selected_action": str(instance.pk)})
    assert Operation.objects.count() == 1, "nothing but the order itself"


@pytest.mark.parametrize("group", GROUPS)
def test_only_operations_call_off_and_cordon(
    staff: Staff, order: Callable[..., Instance], memory_server: Server, group: str
) -> None:
    operation = order().operations.get()
    browser = staff(group)
    expected = 302 if group == OPERATIONS else 403
    cancel = browser.post(reverse("admin:hosting_operation_cancel", args=[operation.pk]))
    cordon = browser.post(reverse("admin:hosting_server_act", args=[memory_server.pk, "cordon"]))
    assert (cancel.status_code, cordon.status_code) == (expected, expected)
    operation.refresh_from_db()
    memory_server.refresh_from_db()
    assert (operation.cancel_requested_at is not None) == (group == OPERATIONS)
    assert (memory_server.availability == "cordoned") == (group == OPERATIONS)


def test_someone_who_is_no_staff_is_sent_to_log_in(client: Any, alice: Any) -> None:
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    for page in PAGES:
        assert client.get(reverse(f"admin:{page}")).status_code == 302


def test_staff_log_in_by_address(client: Any, staff: Staff) -> None:
    staff(FINANCE)
    form = {"login": "FINANCE@berth.example", "password": "correct horse battery"}
    response = client.post(reverse("account_login"), {**form, "next": reverse("admin:index")})
    assert response.status_code == 302
    assert client.get(reverse("admin:index")).status_code == 200
