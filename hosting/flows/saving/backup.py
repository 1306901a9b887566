"""Saving an instance into a repository of its own, and proving that it is there.

The manifest is written last: a backup without one does not exist. It counts only once all of it
was read back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict
from datetime import timedelta
from functools import partial, wraps
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from hosting.engines.errors import EngineError, GiveUp, TryLater
from hosting.engines.restic import Written
from hosting.flows import stacks
from hosting.flows.base import Flow, Step, Work
from hosting.flows.running import generations, preflight
from hosting.flows.saving import (
    bases,
    chapters,
    choosing,
    copies,
    parts,
    repositories,
    snapshots,
    sources,
    upkeep,
)
from hosting.flows.saving.parts import Part
from hosting.flows.saving.reading import read_back, watched
from hosting.flows.saving.stillness import held_still, is_at_rest
from hosting.models import Backup, Incident, Instance, InstanceSecret, Operation
from hosting.models.backup import FORMAT
from hosting.services.saving import backups
from hosting.services.watching import incidents

MANIFEST = "manifest.json"
SECRETS = "secrets.json"
CHECK_TIMEOUT = timedelta(minutes=2)
_MB = 10**6
_NUMBER = re.compile(r"-?\d{1,30}")
_A_WHILE = timedelta(minutes=5)


def telling_damage(step: Callable[[Work], None]) -> Callable[[Work], None]:
    """The step, with an incident where it finds the repository damaged."""

    @wraps(step)
    def told(work: Work) -> None:
        try:
            step(work)
        except EngineError as error:
            tell = upkeep.tell_if_copy_broken if choosing.is_second(work) else upkeep.tell_if_broken
            tell(_owner_of_store(work), error)
            raise

    return told


def _owner_of_store(work: Work) -> Instance:
    """Whose repository is worked on: one that is being filled reads from another's."""
    source = work.instance.made_from if work.instance.is_to_be_filled else None
    return source.instance if source else work.instance


@telling_damage
def open_store(work: Work) -> None:
    """Reach the target. A repository is made once: one that was lost must not come back empty."""
    store = repositories.primary(work.instance)
    preflight.place(store.target)
    # One at a time: a worker that was frozen while it made the repository must not go on beside its
    # successor. The database ends its session, and with that the lock, long after restic is done.
    with transaction.atomic():
        is_new = backups.lock_store(instance=work.instance).made_at is None
        if is_new:
            store.ensure()
            backups.record_made(instance=work.instance)
    if is_new:
        work.report("the repository was made")
    work.report("the repository is there")


@telling_damage
def save(work: Work) -> None:
    """Save the instance as it is, or as it lies."""
    save_into(work, _backup(work), rests=is_at_rest(work))


def save_into(work: Work, backup: Backup, *, rests: bool) -> None:
    """Save every part, from the beginning: parts of two attempts would be of two moments.

    Of one that ``rests`` all files are saved as they lie.
    """
    store = repositories.primary(work.instance)
    # Also refuses a store that was lost, before anything is paused.
    snapshots.forget_earlier(store, backup, fence=work.lease.fence)
    taken_at = timezone.now()
    with held_still(work, rests=rests):
        before = {} if rests else _answers(work, backup)
        saved = [(part, _save(work, backup, part)) for part in _parts(work, rests)]
        after = {} if rests else _answers(work, backup)
    found = [] if rests else bases.save(work, partial(_write_watched, work, backup))
    if rests and not is_at_rest(work):
        raise TryLater("it was started while its files were saved")
    secrets = {each.name: each.reveal() for each in _needed_secrets(work)}
    keys = _store(work, backup, SECRETS, [_json(secrets)])
    manifest = _manifest(work, backup) | {
        "taken_at": taken_at.isoformat(),
        "at_rest": rests,
        # The app went on meanwhile: a restored one has to say something in between.
        "checks": {name: [before[name], after[name]] for name in before.keys() & after.keys()},
        "parts": [part.dump() | {"written": asdict(written)} for part, written in saved],
        "secrets": asdict(keys),
        "bases": [each.dump() for each in found],
    }
    last = _store(work, backup, MANIFEST, [_json(manifest)])
    stored = (*(written for _, written in saved), keys, last)
    copied = tuple(each.written for each in found)
    with work.writing():
        backups.record(
            backup=backup,
            manifest=manifest,
            secrets=secrets,
            stored=[asdict(each) for each in (*copied, *stored)],
            taken_at=taken_at,
            size_bytes=sum(each.size for each in stored),
            stored_bytes=sum(each.stored_bytes for each in (*copied, *stored)),
        )
        bases.record(backup, found)


@telling_damage
def prove(work: Work) -> None:
    """Read all of it back. Raises ``Damaged`` where it is not what was written."""
    prove_all(work, _backup(work))


def prove_all(work: Work, backup: Backup) -> None:
    """Read all of that backup back, and write down that it is good."""
    read_back(work, sources.first(backup))
    with work.writing():
        backups.record_proven(backup=backup)
    incidents.close(kind=Incident.Kind.BACKUP_DAMAGED, instance=work.instance)
    incidents.close(kind=Incident.Kind.BACKUP_OVERDUE, instance=work.instance)
    work.report("all of it is as it was written")


@telling_damage
def expire(work: Work) -> None:
    """Let go of what retention does not keep. The space is given back by the next prune.

    First it is no backup any more, then its data goes: also at the next time, where that failed.
    """
    chapters.drop_bases(work.instance, report=work.report, writing=work.writing)
    for backup in backups.dispensable(instance=work.instance):
        with work.writing():
            is_gone = backups.let_go_of(backup=backup)
        if is_gone:
            at = backup.taken_at or backup.created_at
            work.report(f"letting go of the backup of {at:%Y-%m-%d %H:%M} UTC")
    chapters.destroy(work.instance, report=work.report)
    gone = backups.lately_let_go(instance=work.instance)
    if gone:
        snapshots.sweep(repositories.primary(work.instance), gone)
    copies.sweep(work)
    work.report(
        "nothing is left of what was let go" if gone else "nothing is old enough to be let go"
    )


def run_checks(work: Work) -> dict[str, str]:
    """What the catalog's queries say now: a restored backup has to say the same."""
    declared = stacks.definition(work.instance).berth.backup
    users = {each.database: each.user for each in declared.postgres}
    said = {}
    for check in declared.checks:
        user = users[check.database]
        command = ("psql", "-AtX", "-U", user, "-d", check.database, "-c", check.sql)
        result = work.engine.run(work.stack.instance, check.service, command, timeout=CHECK_TIMEOUT)
        if result.exit_code != 0:
            raise GiveUp(f"the check “{check.name}” failed: {result.output.strip()[:200]}")
        number = result.output.strip()
        if not _NUMBER.fullmatch(number):
            raise GiveUp(f"the check “{check.name}” gave no number: {number[:100]!r}")
        said[check.name] = number
    return said


def _answers(work: Work, backup: Backup) -> dict[str, str]:
    """What the queries say. What is saved before a restore may be broken: that is why."""
    try:
        return run_checks(work)
    except GiveUp as error:
        if backup.trigger != Backup.Trigger.SAFETY:
            raise
        work.report(f"{error}; it is saved as it is")
        return {}


def _backup(work: Work) -> Backup:
    return Backup.objects.get(operation_id=work.lease.operation_id)


def _write_watched(work: Work, backup: Backup, path: str, chunks: Iterator[bytes]) -> Written:
    return _store(work, backup, path, watched(work, chunks))


def _store(work: Work, backup: Backup, path: str, chunks: Iterable[bytes]) -> Written:
    """Store a stream of the backup, if the lease is good: nobody writes beside a successor."""
    work.report("")
    tags = snapshots.tags(backup, fence=work.lease.fence)
    return repositories.primary(work.instance).write(path, chunks, tags=tags)


def _parts(work: Work, rests: bool) -> Iterator[Part]:
    app = stacks.definition(work.instance)
    return parts.at_rest(app) if rests else parts.running(app)


def _save(work: Work, backup: Backup, part: Part) -> Written:
    work.report(f"saving {part.title}")
    generation = work.instance.generation
    with closing(part.read(work.engine, work.stack, generation=generation)) as chunks:
        written = _write_watched(work, backup, part.path, chunks)
    work.report(f"saved {part.title}: {written.size / _MB:.1f} MB")
    return written


def _needed_secrets(work: Work) -> QuerySet[InstanceSecret]:
    needed = stacks.definition(work.instance).berth.backup.secrets
    return work.instance.secrets.filter(name__in=needed)


def _manifest(work: Work, backup: Backup) -> dict[str, Any]:
    """What bringing the app back needs, beside its data and its keys."""
    instance = work.instance
    return {
        "format": FORMAT,
        "backup": str(backup.pk),
        "client": str(instance.client_id),
        "instance": str(instance.pk),
        "app": instance.app,
        "version": instance.version,
        "definition": instance.definition,
        "images": instance.image_pins,
        "plan": instance.plan.slug,
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


BACKUP = Flow(
    kind=Operation.Kind.BACKUP,
    steps=(
        Step("store", "Open the backup store", open_store, timedelta(minutes=5)),
        Step("save", "Save databases and files", save, timedelta(hours=6)),
        Step("prove", "Read everything back", prove, timedelta(hours=6)),
        Step("copy", "Copy to a second place", copies.copy, timedelta(hours=6)),
        Step("read-copy", "Read the copy back", copies.prove, timedelta(hours=6)),
        Step("expire", "Let old backups go", expire, timedelta(hours=1)),
        Step("clear", "Let go of data kept from a restore", generations.clear, _A_WHILE),
    ),
    succeeded_as=None,
    failed_as=None,
)
