"""Language models: rates, costs, budgets."""
