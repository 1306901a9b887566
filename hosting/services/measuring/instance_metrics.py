"""What ``/metrics/instances`` says, written before anybody asks for it.

With thousands of instances it keeps a core busy for half a second. So it is written every half
minute, and kept, packed, for two; where nobody has written it lately, whoever asks waits for it.
The text says itself when it was read.
"""

from __future__ import annotations

import gzip
import logging
from datetime import datetime, timedelta

from django.core.cache import cache
from redis.exceptions import RedisError

from hosting.selectors.exposing import metrics_instances

logger = logging.getLogger(__name__)

EVERY = timedelta(seconds=30)
KEPT = timedelta(minutes=2)
_KEY = "berth-metrics-of-instances"
_FAST = 1  # of gzip's levels: the others take several times as long for a few per cent


def write(*, now: datetime) -> bytes:
    """Read it, keep it, and return it as gzip packs it."""
    packed = _packed(now)
    cache.set(_KEY, packed, timeout=KEPT.total_seconds())
    return packed


def newest(*, now: datetime) -> bytes:
    """The same, as it was last written, or of this moment."""
    try:
        kept: bytes | None = cache.get(_KEY)
    except RedisError as error:
        logger.warning("Redis does not say what was written of the instances: %s", error)
        kept = None
    return kept or _packed(now)


def _packed(now: datetime) -> bytes:
    text = "".join(metrics_instances.of_instances(now=now))
    return gzip.compress(text.encode(), compresslevel=_FAST)
