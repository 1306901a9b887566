"""The finance side of the admin: prices, invoices, payments, dunning, and language models."""

from billing.admin import parties, prices, server_costs
from billing.admin.delivering import bookkeeping, exports
from billing.admin.invoicing import downtime, invoices, runs
from billing.admin.metering import budgets, costs, rates
from billing.admin.paying import bank_lines, bank_statements, dunning, online, payments

__all__ = [
    "bank_lines",
    "bank_statements",
    "bookkeeping",
    "budgets",
    "costs",
    "downtime",
    "dunning",
    "exports",
    "invoices",
    "online",
    "parties",
    "payments",
    "prices",
    "rates",
    "runs",
    "server_costs",
]
