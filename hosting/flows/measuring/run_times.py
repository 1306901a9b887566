"""Asking apps' own databases how long their runs took, as the catalog declares it.

The question is put by ``psql`` inside the database's container, which may only read, for seconds at
most; what answers is a tenant's, and is believed no more than an app's counters are.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from hosting.catalog.berth_schema import Runs
from hosting.engines.base import Engine
from hosting.engines.errors import EngineError
from hosting.flows import stacks
from hosting.flows.engines import engine_for
from hosting.models import Instance
from hosting.services.measuring import run_times
from hosting.services.measuring.run_times import Run

logger = logging.getLogger(__name__)

EVERY = timedelta(minutes=5)
AT_ONCE = 4
WITHIN = timedelta(seconds=60)  # who is not reached by then is asked the next time
AT_MOST = 10_000
_TIMEOUT = timedelta(seconds=15)
_CAREFUL = "PGOPTIONS=-c default_transaction_read_only=on -c statement_timeout=10s"
_QUESTION = """
SELECT coalesce(json_agg(json_build_array(id, ended_at, seconds, label) ORDER BY ended_at), '[]')
FROM (
    SELECT id::text, ended_at::timestamptz, seconds::float8, label::text
    FROM ({sql}) AS run(id, ended_at, seconds, label)
    WHERE ended_at >= '{since}' ORDER BY ended_at LIMIT {limit}
) AS lately
"""


class Unreadable(Exception):
    """What was answered is no list of runs."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask, of which database, and where the instance runs."""

    instance: Instance
    engine: Engine
    runs: Runs
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """The runs that were told, and when they were asked for."""

    question: Question
    runs: Sequence[Run]
    asked_at: datetime


def read_all() -> int:
    """Ask every app that had something to do since the last time; how many new runs were told."""
    latest = time.monotonic() + WITHIN.total_seconds()

    def ask(question: Question) -> Told | None:
        return _ask(question) if time.monotonic() < latest else None

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="run-times") as pool:
        answers = pool.map(ask, list(_questions(timezone.now())))
        return sum(_record(told) for told in answers if told is not None)


def _questions(now: datetime) -> Iterable[Question]:
    """In the order in which they were asked last, so that everybody has a turn."""
    running = Instance.objects.filter(is_routed=True, purpose=Instance.Purpose.CLIENT)
    declared = running.filter(definition__berth__runs__0__isnull=False, server__retry_at=None)
    for instance in declared.select_related("server").prefetch_related("usage_counters"):
        try:
            for runs in stacks.definition(instance).berth.runs:
                since = run_times.since(instance=instance, meter=runs.meter, now=now)
                if since is not None:
                    yield question(instance, runs, since=since)
        except Exception:
            logger.exception("the runs of %s can't be asked for; others are", instance.pk)


def question(instance: Instance, runs: Runs, *, since: datetime) -> Question:
    """How to ask for what ended since then."""
    sql = _QUESTION.format(sql=runs.sql, since=since.isoformat(), limit=AT_MOST)
    psql = ("psql", "-AtXq", "-U", runs.user, "-d", runs.database, "-c", sql)
    return Question(instance, engine_for(instance.server), runs, ("env", _CAREFUL, *psql))


def read(text: str) -> Sequence[Run]:
    """The runs in an answer. Raises ``Unreadable``."""
    try:
        return [
            Run(str(name), _moment(ended_at), float(seconds), str(label or ""))
            for name, ended_at, seconds, label in json.loads(text)
        ]
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise Unreadable(f"the answer is no list of runs: {error}") from error


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text} has no offset")
    return found


def _ask(question: Question) -> Told | None:
    """In a thread of its own, without the database."""
    label, service = str(question.instance.pk), question.runs.service
    asked_at = timezone.now()
    try:
        result = question.engine.run(label, service, question.command, timeout=_TIMEOUT)
        if result.exit_code != 0:
            raise Unreadable(result.output.strip()[:200])
        return Told(question, read(result.output), asked_at)
    except (EngineError, Unreadable) as error:
        logger.info("the runs of %s were not told: %s", label, error)
    except Exception:
        logger.exception("the runs of %s were not told", label)
    return None


def _record(told: Told) -> int:
    """One that fails here keeps no other back either."""
    try:
        return run_times.record(
            instance=told.question.instance,
            meter=told.question.runs.meter,
            runs=told.runs,
            asked_at=told.asked_at,
            is_all=len(told.runs) < AT_MOST,
        )
    except Exception:
        logger.exception("the runs of %s were not recorded", told.question.instance.pk)
        return 0
