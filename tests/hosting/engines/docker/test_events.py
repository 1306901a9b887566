"""Following what happens, over the breaks that an engine's restart makes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hosting.engines.docker import DockerEngine, events
from hosting.engines.docker.client import Response
from hosting.engines.errors import EngineUnavailable
from hosting.engines.observed import Event
from tests.hosting.engines.docker.relay import Relay, relayed
from tests.hosting.engines.doors import DockerBackdoor, cli
from tests.hosting.engines.stacks import Stacks, service

pytestmark = pytest.mark.docker


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    with relayed(tmp_path) as relay:
        yield relay


def until(stream: Iterator[Event], action: str) -> list[Event]:
    """What the stream tells up to the first event with that action."""
    told = []
    for event in stream:
        told.append(event)
        if event.action == action:
            break
    return told


def test_a_break_is_said_and_what_happened_meanwhile_is_told_after_it(
    docker: DockerBackdoor, stacks: Stacks, relay: Relay
) -> None:
    engine = DockerEngine.connect(relay.endpoint)
    stack = stacks.make(service("web"), volume=False)
    docker.engine.apply(stack)
    name = f"{stack.project}-web"
    stream = engine.events(stack.owner)
    cli("rename", name, f"{name}-1")
    (last,) = until(stream, "rename")
    relay.down()
    with pytest.raises(EngineUnavailable, match=r"the server .* event stream|does not answer"):
        next(stream)
    cli("update", "--pids-limit=7", f"{name}-1")
    cli("pause", f"{name}-1")
    with pytest.raises(EngineUnavailable, match="the server does not answer"):
        engine.events(stack.owner, since=last.occurred_at)
    relay.up()
    told = until(engine.events(stack.owner, since=last.occurred_at), "pause")
    assert [(each.service, each.action) for each in told] == [
        ("web", "rename"),  # again: nothing at the very moment may be missed
        ("web", "update"),
        ("web", "pause"),
    ]
    engine.close()


def test_a_quiet_engine_is_asked_again_and_nothing_is_lost(
    docker: DockerBackdoor, stacks: Stacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = stacks.make(service("web"), volume=False)
    docker.engine.apply(stack)
    name = f"{stack.project}-web"
    asked, opened = [], events._open

    def pause_before_the_third(*of: Any) -> Response:
        asked.append(of)
        if len(asked) == 3:
            cli("pause", name)  # while no stream is open
        return opened(*of)

    monkeypatch.setattr(events, "SILENCE_SECONDS", 0.5)
    monkeypatch.setattr(events, "_open", pause_before_the_third)
    told = until(docker.engine.events(stack.owner), "pause")
    assert len(asked) == 3
    assert told[-1].service == "web"
