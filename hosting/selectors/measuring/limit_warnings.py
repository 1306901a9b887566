"""Reading warnings of limits for pages."""

from __future__ import annotations

from django.db.models import QuerySet

from hosting.models import LimitWarning


def all_of_them() -> QuerySet[LimitWarning]:
    """Those that go on and those that are over, with what they are about, in one query."""
    rows = LimitWarning.objects.select_related("instance__client", "plan")
    return rows.defer("instance__definition", "instance__expected")
