"""The finance side of the admin: prices, invoices, payments, dunning, and language models."""

from billing.admin import budgets, costs, dunning, invoices, parties, payments, prices, rates, runs

__all__ = [
    "budgets",
    "costs",
    "dunning",
    "invoices",
    "parties",
    "payments",
    "prices",
    "rates",
    "runs",
]
