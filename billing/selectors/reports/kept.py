"""What took long to compute, kept in Redis for whoever asks the same again.

Each result is kept under a fingerprint of all that it depends on, which is read anew each time: a
change is seen at once. What another release kept is not read. Where Redis does not answer,
everything is computed.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from django.core.cache import cache as store
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

KEPT = timedelta(days=1)
_ROOM = Path(__file__).parents[2]
K = TypeVar("K")
V = TypeVar("V")


def recall(
    name: str,
    *,
    fingerprints: Callable[[], Mapping[K, str]],
    compute: Callable[[Sequence[K]], Mapping[K, V]],
) -> Mapping[K, V]:
    """The result of each of the fingerprints' keys; ``compute`` gives those that nobody kept.

    ``name`` says what else was asked for. What changed while it was computed is not kept.
    """
    before = fingerprints()
    places = {key: _place(name, key, text) for key, text in before.items()}
    known = _get(places.values())
    missing = [key for key, place in places.items() if place not in known]
    if not missing:
        return {key: known[place] for key, place in places.items()}
    computed = compute(missing)
    after = fingerprints()
    _keep({places[key]: computed[key] for key in missing if after.get(key) == before[key]})
    return {
        key: computed[key] if key in computed else known[place] for key, place in places.items()
    }


def recall_one(name: str, *, fingerprint: Callable[[], str], compute: Callable[[], V]) -> V:
    """The same of a single result."""
    found = recall(
        name, fingerprints=lambda: {None: fingerprint()}, compute=lambda _: {None: compute()}
    )
    return found[None]


def _place(name: str, key: object, fingerprint: str) -> str:
    told = "\n".join((_release(), name, str(key), fingerprint))
    return f"berth-report-{hashlib.sha256(told.encode()).hexdigest()}"


@cache
def _release() -> str:
    """What the room's modules say: another rule gives another result."""
    digest = hashlib.sha256()
    for module in sorted(_ROOM.rglob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()


def _get(places: Collection[str]) -> Mapping[str, Any]:
    try:
        return store.get_many(places)
    except RedisError as error:
        logger.warning("Redis does not say what was kept of a report: %s", error)
        return {}


def _keep(results: dict[str, Any]) -> None:
    try:
        store.set_many(results, timeout=int(KEPT.total_seconds()))
    except RedisError as error:
        logger.warning("Redis does not keep a report: %s", error)
