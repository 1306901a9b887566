"""From a server's row to the engine that runs its stacks; used by workers only."""

from __future__ import annotations

import functools
import os

from hosting.engines.base import Engine
from hosting.engines.docker.engine import DockerEngine
from hosting.engines.errors import GiveUp
from hosting.engines.memory import MemoryEngine
from hosting.models import Server


def engine_for(server: Server) -> Engine:
    """The server's engine; connections are kept for the life of the process."""
    return _engine(server.engine, server.endpoint, os.getpid())


@functools.cache
def _engine(kind: str, endpoint: str, pid: int) -> Engine:
    """``pid`` keeps a forked worker from sharing its parent's connection."""
    if kind == Server.EngineKind.DOCKER:
        return DockerEngine.connect(endpoint)
    if kind == Server.EngineKind.MEMORY:
        return MemoryEngine()
    raise GiveUp(f"Berth knows no engine called “{kind}”.")
