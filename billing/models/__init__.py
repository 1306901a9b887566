"""Tables of what it costs: rates of language models, and what instances spent on them."""

from billing.models.cost import ModelCost
from billing.models.rate import PlanBudget, Rate

__all__ = ["ModelCost", "PlanBudget", "Rate"]
