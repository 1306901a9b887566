"""The finance side of the admin: prices, invoices, payments, dunning, and language models."""

from billing.admin import (
    bank_lines,
    bank_statements,
    bookkeeping,
    budgets,
    costs,
    dunning,
    exports,
    invoices,
    online,
    parties,
    payments,
    prices,
    rates,
    runs,
    server_costs,
)

__all__ = [
    "bank_lines",
    "bank_statements",
    "bookkeeping",
    "budgets",
    "costs",
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
