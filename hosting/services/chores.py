"""Work that comes back, claimed from the database.

Any number of schedulers may ask, at any time: the first to ask when something is due moves its due
time on, in one UPDATE, and does it. What was missed is due at once, and done once, not once for
each time it was missed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from hosting.models import Chore

logger = logging.getLogger(__name__)

RETRY_AFTER = timedelta(minutes=5)


def run_if_due(*, name: str, every: timedelta, work: Callable[[], None]) -> bool:
    """Do the work if it is due, and nobody else has taken it; whether it was done.

    A chore that is new is due now. One that fails is due again after five minutes, and its error is
    kept and raised. The next time is counted from the due time, so that a nightly chore stays where
    it was in the night; where that has passed already, from now.
    """
    Chore.objects.get_or_create(name=name, defaults={"due_at": timezone.now()})
    if not _take(name, every):
        return False
    try:
        work()
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        Chore.objects.filter(name=name).update(due_at=Now() + RETRY_AFTER, last_error=text)
        raise
    Chore.objects.filter(name=name).update(last_ended_at=Now(), last_error="")
    return True


def _take(name: str, every: timedelta) -> bool:
    late = Chore.objects.filter(name=name, due_at__lte=Now() - every)
    if late.update(due_at=Now() + every, last_began_at=Now()):
        return True
    due = Chore.objects.filter(name=name, due_at__lte=Now())
    return bool(due.update(due_at=F("due_at") + every, last_began_at=Now()))
