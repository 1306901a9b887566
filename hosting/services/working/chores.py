"""Work that comes back, claimed from the database.

Any number of schedulers may ask, at any time: the first to ask when something is due moves its due
time on, in one UPDATE, and does it. What was missed is due at once, and done once, not once for
each time it was missed. Whoever dies in the middle of it leaves it due again after an hour; of what
comes back within a minute, at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from django.db import DatabaseError, connection
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from hosting.models import Chore

logger = logging.getLogger(__name__)

RETRY_AFTER = timedelta(minutes=5)
GIVEN_UP_AFTER = timedelta(hours=1)  # longer than any task may take
TAKEN_OVER = timedelta(minutes=1)  # what comes back that soon does no harm twice at once
_LOCKS = 0x63686F72  # of pg_try_advisory_lock, beside the hash of a name


def run_if_due(*, name: str, every: timedelta, work: Callable[[], None]) -> bool:
    """Do the work if it is due, and nobody else has taken it; whether it was done.

    A chore that is new is due now. One that fails is due again after five minutes, or at its usual
    time where that is sooner, and its error is kept and raised. The next time is counted from the
    due time, so that a nightly chore stays where it was in the night; where that has passed
    already, from now.
    """
    chore, _ = Chore.objects.get_or_create(name=name, defaults={"due_at": timezone.now()})
    if every > TAKEN_OVER:
        return _take(chore, Q(due_at__lte=Now())) and _do(chore, every, work)
    is_left = Q(due_at=F("last_began_at") + GIVEN_UP_AFTER)  # as it is while somebody does it
    with _holding(name) as is_mine:
        return is_mine and _take(chore, is_left | Q(due_at__lte=Now())) and _do(chore, every, work)


def _do(chore: Chore, every: timedelta, work: Callable[[], None]) -> bool:
    name = chore.name
    try:
        work()
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        again_at = Now() + min(RETRY_AFTER, every)
        Chore.objects.filter(name=name).update(due_at=again_at, last_error=text)
        raise
    now = timezone.now()
    due_at = chore.due_at + every if chore.due_at + every > now else now + every
    Chore.objects.filter(name=name).update(due_at=due_at, last_ended_at=Now(), last_error="")
    return True


def _take(chore: Chore, is_due: Q) -> bool:
    """Whether it is due, and was so to nobody else: they would have moved the due time on."""
    due = Chore.objects.filter(is_due, pk=chore.pk, due_at=chore.due_at)
    return bool(due.update(due_at=Now() + GIVEN_UP_AFTER, last_began_at=Now()))


@contextmanager
def _holding(name: str) -> Iterator[bool]:
    """The chore's lock, which ends with the connection; False where somebody else has it."""
    if not _ask("SELECT pg_try_advisory_lock(%s, hashtext(%s))", name):
        yield False
        return
    try:
        yield True
    finally:
        with suppress(DatabaseError):  # a connection that was lost has taken the lock with it
            _ask("SELECT pg_advisory_unlock(%s, hashtext(%s))", name)


def _ask(question: str, name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(question, [_LOCKS, name])
        return bool(cursor.fetchone()[0])
