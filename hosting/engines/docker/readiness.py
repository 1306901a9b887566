"""Is a service ready, and waiting until it is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Event
from typing import Any

from docker.errors import NotFound

from hosting.engines.docker.client import Client
from hosting.engines.docker.containers import log_tail
from hosting.engines.docker.errors import translated
from hosting.engines.docker.execution import execute
from hosting.engines.docker.secret_files import redacted
from hosting.engines.errors import EngineUnavailable, GiveUp, TryLater
from hosting.engines.wanted import Service

FIRST_PAUSE_SECONDS = 0.15
LONGEST_PAUSE_SECONDS = 1.0
RESTARTS_THAT_MAKE_A_LOOP = 3
LAST_WORDS = 5


@dataclass(frozen=True, slots=True)
class Condition:
    """What the engine says about a container, as far as waiting for it goes."""

    status: str
    exit_code: int
    oom_killed: bool
    restarts: int

    @property
    def is_looping(self) -> bool:
        """True once it was killed or restarted too often to still come up by itself."""
        too_often = self.oom_killed or self.restarts >= RESTARTS_THAT_MAKE_A_LOOP
        return self.status == "restarting" and too_often

    @property
    def was_ended(self) -> bool:
        """True where it waits for nobody: one that ends by itself is started again by the engine.

        So somebody stopped, killed or removed it, with whatever exit code the program then has.
        """
        return self.status in ("exited", "dead", "removing")

    def sentence(self) -> str:
        """For a person: what became of it."""
        if self.oom_killed:
            return "it was killed because it needed more memory than its limit"
        if self.status == "restarting":
            return f"it ends with exit code {self.exit_code} each time it is started"
        return f"it is {self.status} with exit code {self.exit_code}"


def condition(client: Client, service: str, container: str) -> Condition:
    """Look at the container once. Raises ``TryLater`` where it is gone."""
    with translated(f"the service {service}"):
        try:
            shown: dict[str, Any] = client.api.inspect_container(container)
        except NotFound as error:
            raise TryLater(f"the container of the service {service} is gone") from error
    state = shown["State"]
    return Condition(
        status=state["Status"],
        exit_code=state["ExitCode"],
        oom_killed=bool(state["OOMKilled"]),
        restarts=shown["RestartCount"],
    )


def is_ready(client: Client, service: Service, container: str) -> bool:
    """Run the readiness command once, if the container runs; without a command, running is enough.

    A command that hangs or cannot be run counts as "not yet"; an engine that is gone does not.
    """
    if service.readiness is None:
        return condition(client, service.name, container).status == "running"
    try:
        result = execute(
            client,
            container,
            service.readiness.command,
            timeout=service.readiness.timeout,
            what=f"the readiness of the service {service.name}",
        )
    except EngineUnavailable:
        raise
    except TryLater:
        return False
    return result.exit_code == 0


def refuse_loop(client: Client, service: Service, container: str) -> None:
    """Raise ``GiveUp`` where Docker starts the container over and over; a stopped one is fine."""
    state = condition(client, service.name, container)
    if state.is_looping:
        raise GiveUp(_verdict(client, service, container, state.sentence()))


def await_ready(client: Client, service: Service, container: str, stopping: Event) -> None:
    """Return once the service is ready, or once ``stopping`` is set.

    Raises ``GiveUp`` as soon as its container ends over and over, and ``TryLater`` when somebody
    has ended it or the time that its readiness grants is over; with the container's last words.
    """
    deadline = time.monotonic() + patience_seconds(service)
    pause = FIRST_PAUSE_SECONDS
    while not stopping.is_set():
        if is_ready(client, service, container):
            return
        state = condition(client, service.name, container)
        if state.is_looping:
            raise GiveUp(_verdict(client, service, container, state.sentence()))
        if state.was_ended:
            raise TryLater(_verdict(client, service, container, state.sentence()))
        if time.monotonic() > deadline:
            late = f"it is {state.status} but not ready after {patience_seconds(service):g} s"
            raise TryLater(_verdict(client, service, container, late))
        stopping.wait(pause)
        pause = min(pause * 1.2, LONGEST_PAUSE_SECONDS)


def patience_seconds(service: Service) -> float:
    """How long a service may take to become ready: what Docker's own check would grant it."""
    readiness = service.readiness
    if readiness is None:
        return 60.0
    return (readiness.start_period + readiness.retries * readiness.interval).total_seconds()


def _verdict(client: Client, service: Service, container: str, what: str) -> str:
    log = log_tail(client, service.name, container, LAST_WORDS).strip()
    words = " / ".join(line.strip() for line in log.splitlines() if line.strip())
    said = f'; its last words: "{redacted(words, service.secrets)}"' if words else ""
    return f"the service {service.name} did not become ready: {what}{said}"
