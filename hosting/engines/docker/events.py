"""The engine's event stream, cut down to what matters to Berth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from hosting.engines.docker.client import Client, Response
from hosting.engines.docker.errors import translated
from hosting.engines.errors import EngineUnavailable, TryLater
from hosting.engines.labels import LABEL_INSTANCE, LABEL_OWNER, LABEL_SERVICE
from hosting.engines.observed import Event
from hosting.engines.refusals import VOLUME_SERVICE

SILENCE_SECONDS = 60.0
CLOCK_TOLERANCE = timedelta(seconds=5)
# Asked for by name, because every health check makes three exec events.
ACTIONS = (
    "create",
    "start",
    "restart",
    "stop",
    "kill",
    "die",
    "oom",
    "pause",
    "unpause",
    "update",
    "rename",
    "destroy",
    "health_status",
)


def follow(client: Client, owner: str, *, since: datetime | None) -> Iterator[Event]:
    """Follow the events of the owner's containers until the connection breaks.

    The stream is open when this returns. A quiet engine is asked again every minute, so that one
    that died without closing the connection is noticed; then ``EngineUnavailable`` or ``TryLater``
    comes out of the iterator.
    """
    response = _open(client, owner, since)
    return _read(client, owner, response, since)


def _open(client: Client, owner: str, since: datetime | None) -> Response:
    labels = [f"{LABEL_OWNER}={owner}"]
    filters = {"type": ["container"], "label": labels, "event": list(ACTIONS)}
    params = {"filters": json.dumps(filters)}
    if since is not None:
        params["since"] = f"{since.timestamp():.6f}"
    with translated("the events"):
        return client.stream("GET", "/events", params=params, silence_seconds=SILENCE_SECONDS)


def _read(
    client: Client, owner: str, response: Response, since: datetime | None
) -> Iterator[Event]:
    # Without an event to go on from, a little too early is harmless: it only says "look".
    last_at = since or datetime.now(UTC) - CLOCK_TOLERANCE
    while True:
        try:
            with translated("the events"):
                for line in filter(None, response.iter_lines()):
                    event = parsed(json.loads(line))
                    if event is not None and event.occurred_at >= last_at:
                        last_at = event.occurred_at
                        yield event
            raise EngineUnavailable("the server ended its event stream")
        except EngineUnavailable:
            raise
        except TryLater:
            # Silence. Nothing is lost: the engine keeps its last events and is asked from there.
            pass
        finally:
            response.close()
        response = _open(client, owner, last_at)


def parsed(said: dict[str, Any]) -> Event | None:
    """One message of the stream, None for one that is not about a labelled container."""
    attributes = said.get("Actor", {}).get("Attributes", {})
    action = str(said.get("Action", ""))
    if LABEL_INSTANCE not in attributes or action.startswith("exec_"):
        return None
    if attributes.get(LABEL_SERVICE, "").startswith(VOLUME_SERVICE):
        return None  # Berth reads or writes a volume: nothing happens to the instance
    return Event(
        instance=attributes[LABEL_INSTANCE],
        service=attributes.get(LABEL_SERVICE, ""),
        action=action,
        occurred_at=_moment(said["timeNano"]),
    )


def _moment(nanoseconds: int) -> datetime:
    """Rounded down, so that following from an event's moment on never begins after it."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return datetime.fromtimestamp(seconds, tz=UTC) + timedelta(microseconds=rest // 1000)
