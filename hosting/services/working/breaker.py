"""The circuit breaker of a server: one that does not answer is left alone, and asked now and then.

Closed: everything goes through. After three failures in a row it opens: nothing is begun on the
server until ``retry_at``, and one incident says so. Then a single caller may try (half-open); an
answer closes the breaker, silence doubles the pause.
"""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from hosting.models import Incident, Operation, Server
from hosting.services.watching import incidents

FAILURES_THAT_OPEN = 3
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(minutes=5)


def may_try(*, server: Server) -> bool:
    """Whether the server may be asked something now.

    With the breaker open, the first to ask once the pause is over may, and the others wait on.
    """
    if server.retry_at is None:
        return True
    overdue = Server.objects.filter(pk=server.pk, retry_at__lte=Now())
    # Counted as a failure beforehand: an answer takes it back.
    failures = server.failures + 1
    return bool(overdue.update(retry_at=Now() + _pause(failures), failures=failures))


def waiting_reason(server: Server) -> str:
    """What an operation says that waits for the server."""
    since = f" since {server.silent_since:%H:%M} UTC" if server.silent_since else ""
    return f"Server {server} has not answered{since}; this goes on as soon as it does."


@transaction.atomic
def record_silence(*, server: Server, error: str) -> None:
    """The server's engine did not answer. Opens the breaker, with an incident, if that repeats."""
    locked = Server.objects.select_for_update(no_key=True).get(pk=server.pk)
    locked.last_error = error
    if locked.retry_at is not None and locked.retry_at > timezone.now():
        # Ten operations that lose the server in one second are one failure, not ten.
        locked.save(update_fields=["last_error"])
        return
    locked.failures += 1
    locked.silent_since = locked.silent_since or timezone.now()
    if locked.failures >= FAILURES_THAT_OPEN:
        locked.retry_at = timezone.now() + _pause(locked.failures)
        incidents.open_for(
            kind=Incident.Kind.SERVER_UNREACHABLE,
            server=locked,
            summary=f"Server {locked} does not answer: {error}.",
        )
        _waiting(locked.pk).update(reason=waiting_reason(locked))
    locked.save(update_fields=["failures", "last_error", "silent_since", "retry_at"])


def record_answer(*, server: Server) -> bool:
    """The server's engine answered just now; True where it had been silent before."""
    answered = {"last_answered_at": timezone.now(), "last_error": ""}
    calm = Server.objects.filter(pk=server.pk, failures=0, retry_at=None)
    if calm.update(**answered):
        return False
    with transaction.atomic():
        locked = Server.objects.select_for_update(no_key=True).get(pk=server.pk)
        closed = {"failures": 0, "silent_since": None, "retry_at": None}
        Server.objects.filter(pk=locked.pk).update(**answered, **closed)
        incidents.close(kind=Incident.Kind.SERVER_UNREACHABLE, server=locked)
        # Whoever waited goes on at once: the sweeper rings for what is due.
        _waiting(locked.pk).update(run_after=Now())
    return True


def _waiting(server_id: uuid.UUID) -> QuerySet[Operation]:
    return Operation.objects.filter(
        instance__server_id=server_id, state=Operation.State.QUEUED, cancel_requested_at=None
    )


def _pause(failures: int) -> timedelta:
    """10, 20, 40 ... seconds, five minutes at most."""
    doublings = min(max(failures - FAILURES_THAT_OPEN, 0), 10)
    return min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)
