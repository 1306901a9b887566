"""What a server holds under our label and no instance claims: reported, made harmless, kept.

Nothing is removed unless staff asked for exactly that object.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping

from django.conf import settings

from hosting.engines.base import Engine, EngineError, EngineUnavailable, ObjectKind, Observed
from hosting.models import Server, Stray
from hosting.services import repairs, strays

logger = logging.getLogger(__name__)


def look(
    server: Server,
    engine: Engine,
    observed: Mapping[str, Observed],
    *,
    supervised: Collection[str],
) -> None:
    """Note what belongs to no instance; act on what was there in the round before already.

    ``supervised`` are instances known to be the server's, which spares asking for them.
    """
    unknown = observed.keys() - set(supervised)
    unknown -= repairs.known_labels(server=server, labels=unknown)
    if not unknown and not strays.there(server=server).exists():
        return
    known_before = set(strays.there(server=server).values_list("pk", flat=True))
    seen = [each for label in unknown for each in _objects(label, observed[label])]
    there = strays.note(server=server, seen=seen)
    is_plausible = len(unknown) <= max(3, len(observed) - len(unknown))
    for stray in there:
        if stray.state == Stray.State.REMOVAL_REQUESTED:
            _remove(engine, stray)
        elif stray.pk in known_before and _should_be_stopped(stray):
            _quarantine(engine, stray, is_plausible=is_plausible)


def _objects(label: str, seen: Observed) -> Iterator[strays.Seen]:
    for each in seen.services:
        name = each.container_name or each.container_id[:12]
        yield strays.Seen(Stray.Kind.CONTAINER, each.container_id, name, label)
    for name in seen.networks:
        yield strays.Seen(Stray.Kind.NETWORK, name, name, label)
    for name in seen.volumes:
        yield strays.Seen(Stray.Kind.VOLUME, name, name, label)


def _should_be_stopped(stray: Stray) -> bool:
    return stray.kind == Stray.Kind.CONTAINER and stray.state == Stray.State.FOUND


def _quarantine(engine: Engine, stray: Stray, *, is_plausible: bool) -> None:
    """Stop it and cut it off. Not where most of what runs is unknown: then it is Berth that errs.

    Another installation under the same BERTH_OWNER, or a database from an old backup, would
    otherwise have all its instances stopped.
    """
    if not is_plausible:
        strays.failed(
            stray=stray,
            error="Left running: most of what this server runs is unknown here. Does another"
            " installation use the same BERTH_OWNER?",
        )
        return
    try:
        engine.quarantine(settings.BERTH_OWNER, stray.reference, report=logger.info)
    except EngineUnavailable:
        raise
    except EngineError as error:
        strays.failed(stray=stray, error=str(error))
    else:
        strays.quarantined(stray=stray, note="Stopped and cut off from its networks.")


def _remove(engine: Engine, stray: Stray) -> None:
    kind = ObjectKind(stray.kind)
    try:
        engine.remove_object(settings.BERTH_OWNER, kind, stray.reference, report=logger.info)
    except EngineUnavailable:
        raise
    except EngineError as error:
        strays.failed(stray=stray, error=str(error))
    else:
        strays.removed(stray=stray)
