"""Reading restores for staff."""

from __future__ import annotations

from django.db.models import QuerySet

from hosting.models import Restore
from hosting.selectors.instances import large
from hosting.selectors.moves import unshown

_UNSHOWN = (*unshown("backup"), *unshown("safety"), *large("operation__instance"))


def for_staff() -> QuerySet[Restore]:
    """All there ever were, with what a list shows of them."""
    return Restore.objects.select_related(
        "operation__instance__client", "reverted_by", "backup", "safety"
    ).defer(*_UNSHOWN)
