"""Noticing that an instance can't be restored to every minute.

The alarm is on how old the last moment is that the store holds, whatever became of the attempts:
skipped is failed, and so is a journal that nobody keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max
from pydantic import ValidationError

from hosting.models import ACTIVE_STATES, Incident, Instance, Journal, Operation
from hosting.selectors.saving import journals as reading
from hosting.services.saving import backup_copies
from hosting.services.watching import incidents

BASE_PATIENCE = timedelta(hours=2)
AWAY_PATIENCE = timedelta(hours=2)
COPY_PATIENCE = timedelta(minutes=15)
_UP = (Instance.State.RUNNING, Instance.State.DEGRADED)


def watch(*, now: datetime) -> int:
    """One incident of a kind for each instance that is not well; how many of both these are.

    Either it can't be restored to every minute, or what leads there is in one place only.
    """
    kept = list(reading.kept())
    behind = _watch(Incident.Kind.JOURNAL_BEHIND, kept, lambda each: _problem(each, now))
    is_watched = bool(settings.BERTH_BACKUP_COPY) and not backup_copies.is_new_place(now=now)
    in_both = kept if is_watched else ()
    alone = _watch(Incident.Kind.JOURNAL_NOT_COPIED, in_both, lambda each: _not_copied(each, now))
    return behind + alone


def _watch(kind: Incident.Kind, kept: Sequence[Instance], said: Callable[[Instance], str]) -> int:
    late = 0
    going_on = Incident.objects.filter(kind=kind, closed_at=None)
    unwell = {each.instance_id: each for each in going_on.select_related("instance")}
    for instance in kept:
        problem = said(instance)
        if problem:
            late += 1
            incidents.open_for(kind=kind, instance=instance, summary=problem)
        elif instance.pk in unwell:
            incidents.close(kind=kind, instance=instance)
        unwell.pop(instance.pk, None)
    for incident in unwell.values():  # deleted meanwhile, or on another plan
        incidents.close(kind=kind, instance=incident.instance)
    return late


def _problem(instance: Instance, now: datetime) -> str:
    """What is wrong, in a sentence; empty where nothing is, or it can't be otherwise."""
    if instance.state not in _UP or _is_away(instance, now):
        return ""
    journals = list(reading.open_of(instance))
    return (
        _late(instance, journals, now)
        or _unkept(instance, journals, now)
        or _without_base(instance, journals, now)
    )


def _late(instance: Instance, journals: Sequence[Journal], now: datetime) -> str:
    """About a database of which the store has not the last minute."""
    for each in journals:
        until = each.archived_until
        if now - (until or each.began_at) <= settings.BERTH_JOURNAL_MAX_AGE:
            continue
        why = f": {each.trouble}" if each.trouble else ""
        if until is None:
            return f"{instance} can't be restored to a minute yet{why}"
        return (
            f"{instance} can be restored only to moments before {until:%Y-%m-%d %H:%M:%S} UTC{why}"
        )
    return ""


def _unkept(instance: Instance, journals: Sequence[Journal], now: datetime) -> str:
    """About a database that has no journal at all, for longer than one may be behind."""
    try:
        wanted = set(reading.databases(instance))
    except ValidationError:
        return f"{instance} can't be restored to a minute: this Berth can't read its definition"
    lacking = sorted(wanted - {each.service for each in journals})
    if not lacking or now - _settled_at(instance) <= settings.BERTH_JOURNAL_MAX_AGE:
        return ""
    return f"{instance} can't be restored to a minute: nobody keeps the journal of {lacking[0]}"


def _without_base(instance: Instance, journals: Sequence[Journal], now: datetime) -> str:
    lacking = [each for each in journals if not reading.has_base(each)]
    if not lacking or now - min(each.began_at for each in lacking) <= BASE_PATIENCE:
        return ""
    return f"{instance} has no base to follow its journal from: its backups do not succeed"


def _not_copied(instance: Instance, now: datetime) -> str:
    """About a second place that has fallen behind the first."""
    since = reading.uncopied_since(instance)
    if since is None or now - since <= COPY_PATIENCE:
        return ""
    return f"what was written to {instance} since {since:%Y-%m-%d %H:%M} UTC is in one place only"


def _settled_at(instance: Instance) -> datetime:
    """Since when there could be a journal: it ran, and nothing was done to it any more."""
    done = instance.operations.aggregate(last=Max("finished_at"))["last"]
    ended = instance.journals.aggregate(last=Max("ended_at"))["last"]
    known = [each for each in (instance.first_running_at, done, ended) if each is not None]
    return max(known)


def _is_away(instance: Instance, now: datetime) -> bool:
    """Whether it is in the middle of a change that its databases are stopped for.

    One that takes for hours is no excuse: nothing is stored meanwhile, or Berth hangs.
    """
    active = instance.operations.filter(
        state__in=ACTIVE_STATES, requested_at__gt=now - AWAY_PATIENCE
    )
    return active.exclude(kind=Operation.Kind.BACKUP).exists()
