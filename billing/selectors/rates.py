"""The rates of language models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from billing.models import Rate

Rates = Mapping[str, Sequence[Rate]]


def of_models(models: Iterable[str]) -> Rates:
    """The rates of each of these models, by its name in small letters. One query."""
    found = defaultdict(list)
    for rate in Rate.objects.filter(model__in=models):
        found[rate.model].append(rate)
    return found
