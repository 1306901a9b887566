"""What a server holds under our label and no instance claims: reported, made harmless, kept.

Nothing is removed unless staff asked for exactly that object.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping

from django.conf import settings

from hosting.engines.base import Engine
from hosting.engines.errors import EngineError, EngineUnavailable
from hosting.engines.observed import ObjectKind, Observed
from hosting.models import Server, Stray
from hosting.services import repairs, strays

logger = logging.getLogger(__name__)

LONGEST_NAME = 255


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
    homes = repairs.homes(labels=unknown)
    for stray in there:
        if stray.state == Stray.State.REMOVAL_REQUESTED:
            _remove(engine, stray)
        elif stray.pk in known_before and _should_be_stopped(stray):
            _quarantine(engine, stray, _objection(stray, homes, is_plausible=is_plausible))


def _objects(label: str, seen: Observed) -> Iterator[strays.Seen]:
    shown = _fitting(label)
    for each in seen.services:
        name = _fitting(each.container_name) or each.container_id[:12]
        yield strays.Seen(Stray.Kind.CONTAINER, each.container_id, name, shown)
    for kind, names in ((Stray.Kind.NETWORK, seen.networks), (Stray.Kind.VOLUME, seen.volumes)):
        for name in names:
            if _fitting(name) == name:  # by any other name it could not be found again
                yield strays.Seen(kind, name, name, shown)
            else:
                logger.warning("a %s without an instance has the name %r", kind, name)


def _fitting(text: str) -> str:
    """As the columns can hold it: labels and names are whatever somebody typed."""
    return text.replace("\0", "")[:LONGEST_NAME]


def _objection(stray: Stray, homes: Mapping[str, str], *, is_plausible: bool) -> str:
    """Why the container is left running after all; empty where nothing speaks for it.

    Where most of what runs is unknown it is Berth that errs: another installation under the same
    BERTH_OWNER, or a database from an old backup, would otherwise have all its instances stopped.
    And the container of a live instance may be where it belongs, on a server that is listed twice.
    """
    home = homes.get(stray.instance_label)
    if home is not None:
        return f"Left running: its instance is alive on server {home}. Are both the same machine?"
    if not is_plausible:
        return (
            "Left running: most of what this server runs is unknown here. Does another"
            " installation use the same BERTH_OWNER?"
        )
    return ""


def _should_be_stopped(stray: Stray) -> bool:
    return stray.kind == Stray.Kind.CONTAINER and stray.state == Stray.State.FOUND


def _quarantine(engine: Engine, stray: Stray, objection: str) -> None:
    """Stop it and cut it off, unless something speaks against that."""
    if objection:
        strays.left_alone(stray=stray, note=objection)
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
