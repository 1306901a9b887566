"""The finance side of the admin: rates of language models, budgets, and what was spent."""

from billing.admin import budgets, costs, rates

__all__ = ["budgets", "costs", "rates"]
