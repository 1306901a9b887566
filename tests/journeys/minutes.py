"""Keeping the journal of an instance that really runs, as the schedulers do it."""

from __future__ import annotations

from collections.abc import Callable

from django.utils import timezone

from hosting.flows.working import periodic
from hosting.models import Instance, Journal, JournalBase, Operation
from hosting.selectors.saving import journals as reading
from hosting.services.saving import journals
from tests.journeys.guestbook import done
from tests.journeys.inside import Inside

WorkOff = Callable[[Instance], Operation]


def get_base(instance: Instance, work_off: WorkOff) -> None:
    """Fetch its journal, and have the backup made that is asked for then."""
    fetch(instance)
    journals.request_bases(now=timezone.now())
    assert done(work_off(instance)) == Operation.State.SUCCEEDED
    fetch(instance)
    [journal] = reading.open_of(instance)
    assert JournalBase.objects.filter(journal=journal).count() == 1


def fetch(instance: Instance) -> None:
    """What a scheduler does once it is due."""
    Journal.objects.update(due_at=timezone.now())
    periodic.ship_journals()


def sql(instance: Instance, command: str) -> str:
    """What its database answers."""
    psql = ("psql", "-AtXq", "-v", "ON_ERROR_STOP=1", "-U", "guestbook", "-d", "guestbook")
    return Inside(instance).run("db", *psql, "-c", command).strip()
