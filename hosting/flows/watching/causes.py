"""Why an instance that does not answer is down, as far as its containers tell."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from django.db import Error as DatabaseError
from django.db import connection

from hosting.engines.base import Engine
from hosting.engines.errors import EngineError
from hosting.engines.observed import ContainerState, Health, Observed, ObservedService
from hosting.flows.engines import engine_for
from hosting.flows.watching import diagnosis
from hosting.models import Incident, Instance
from hosting.services.watching import incidents, part_outages

logger = logging.getLogger(__name__)


def find(incident: Incident) -> None:
    """Look at the containers, and write down what explains the incident. Raises nothing."""
    if incident.instance is None or not part_outages.may_be_told_better(incident.cause):
        return
    try:
        cause = explain(engine_for(incident.instance.server), incident.instance)
        incidents.explain(
            incident=incident, cause=cause, now=datetime.now(UTC), instead_of=incident.cause
        )
    except EngineError as error:
        logger.info("instance %s could not be asked why: %s", incident.instance_id, error)
    except DatabaseError as error:
        logger.warning("why instance %s is down: the database: %s", incident.instance_id, error)
    except Exception:
        logger.exception("why instance %s is down could not be found out", incident.instance_id)
    finally:
        connection.close()


def explain(engine: Engine, instance: Instance) -> str:
    """In a sentence; empty where the containers look well."""
    seen = _guilty(engine.observe(str(instance.pk)))
    if seen is None:
        return ""
    log = engine.logs(str(instance.pk), seen.name, lines=diagnosis.LAST_LINES)
    return f"The service {seen.name}: {diagnosis.likely_cause(seen, log)}."


def _guilty(observed: Observed) -> ObservedService | None:
    """The one whose state says most: out of memory, ended, unhealthy."""
    ranked = sorted(observed.services, key=_rank)
    return ranked[0] if ranked and _rank(ranked[0]) < _WELL else None


_WELL = 3


def _rank(seen: ObservedService) -> int:
    if seen.oom_killed:
        return 0
    if seen.state not in (ContainerState.RUNNING, ContainerState.PAUSED):
        return 1
    return 2 if seen.health is Health.UNHEALTHY else _WELL
