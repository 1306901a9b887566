"""The finance side of the admin: prices, subscriptions, invoices, payments, and language models."""

from billing.admin import budgets, costs, invoices, parties, payments, prices, rates

__all__ = ["budgets", "costs", "invoices", "parties", "payments", "prices", "rates"]
