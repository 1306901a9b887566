"""The dashboard's addresses of this room, below each client's."""

from django.urls import path

from billing.views import (
    client_costs,
    costs,
    details,
    invoice_lines,
    invoices,
    online,
    plans,
)

urlpatterns = [
    path("invoices/", invoices.index, name="invoices"),
    path("invoices/<str:number>/", invoices.page, name="invoice"),
    path("invoices/<str:number>/lines/<int:position>/", invoice_lines.page, name="invoice_line"),
    path(
        "invoices/<str:number>/lines/<int:position>/<slug:what>.csv",
        invoice_lines.as_csv,
        name="invoice_line_csv",
    ),
    path("invoices/<str:number>/pay", online.pay, name="pay_invoice"),
    path("invoices/<str:number>/<slug:kind>", invoices.download, name="invoice_file"),
    path("billing/", plans.page, name="billing"),
    path("billing/budget", plans.budget, name="billing_budget"),
    path("billing-details/", details.page, name="billing_details"),
    path("billing-details/change", details.change, name="billing_details_change"),
    path("costs/", client_costs.page, name="client_costs"),
    path("costs.csv", client_costs.as_csv, name="client_costs_csv"),
    path("instances/<slug:name>/costs/", costs.page, name="costs"),
    path("instances/<slug:name>/costs.csv", costs.as_csv, name="costs_csv"),
]
