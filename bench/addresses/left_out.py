"""Addresses that ``bench/pages.py`` does not ask for, and why."""

from __future__ import annotations

from collections.abc import Mapping

_NONE_OF = "|".join(
    (
        *("bookkeeping", "vataccount", "debtoraccount", "coupon", "discount", "dunninggrace"),
        *("dunningsuspension", "onlinepage", "onlineevent", "creditentry", "downtimecredit"),
        *("invoiceexport", "chore", "stray", "emailaddress"),
        "modelcost",  # by chance
    )
)
LEFT_OUT: Mapping[str, str] = {
    r"instance_(start|stop|restart|retry|delete|go_back|new_versions|back_up)": "posted to",
    r"backup_(clone|keep|let_go)|usage_token_revoke|operation_cancel": "posted to",
    r"channel_(test|remove)|pay_invoice|billing_(budget|details_change)": "posted to",
    r"hosting_backup_(keep|let_go|test)|hosting_instance_(new_versions|resume)": "posted to",
    r"hosting_(operation_cancel|server_act|stray_remove|fleetaction_stop)": "posted to",
    r"hosting_rollout_(pause|resume|stop)|billing_billingrun_run": "posted to",
    r"billing_bankline_(take_up|undo|return)": "posted to",
    r"stripe_events|logout|account_signup|account_inactive": "posted to, or closed",
    r"(hosting_)?backup_download": "a worker reads the backup",
    r"\w+_delete": "nobody may: services end what can end",
    r"\w+_history|view_on_site": "leads to a list that is measured",
    r"\w+_add": "a form that is closed: what it would make comes from elsewhere",
    rf"(hosting|billing|account)_({_NONE_OF})_\w+": "the fleet has none; its list is measured",
    r"deleted_clone": "the fleet has no client's instance that was deleted; its list is measured",
    r"billing_invoice_(send|files_again)|(billing_)?invoice_file": "a worker makes files later",
    r"login|jsi18n|password_change\w*|account_\w+": "Django's and allauth's own; no fleet is read",
    r"openapi-json|api-root": "no pages",
    r"report_usage|refuse_other_methods": "no pages: bench/ingest.py measures the usage API",
}
"""What an address's name is -> why it is left out. A page that is measured may be named as well."""
