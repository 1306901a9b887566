"""Reading restores for staff."""

from __future__ import annotations

from django.db.models import QuerySet

from hosting.models import Restore

_UNSHOWN = tuple(  # large or secret, and on no page
    f"{backup}__{field}"
    for backup in ("backup", "safety")
    for field in ("secrets", "manifest", "stored")
)


def for_staff() -> QuerySet[Restore]:
    """All there ever were, with what a list shows of them."""
    return Restore.objects.select_related(
        "operation__instance__client", "reverted_by", "backup", "safety"
    ).defer(*_UNSHOWN)
