"""Reading rehearsals for staff."""

from __future__ import annotations

from django.db.models import QuerySet

from hosting.models import Rehearsal
from hosting.selectors import trials


def for_staff() -> QuerySet[Rehearsal]:
    """All there ever were, with what a list shows of them, and their operations."""
    related = ("backup__instance__client", "scratch", "to_plan")
    found = Rehearsal.objects.select_related(*related).defer("to_definition", *trials.UNSHOWN)
    return found.prefetch_related(trials.with_operations())
