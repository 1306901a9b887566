"""Commands in the pretended server's containers: what stands for them, and where none can run."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hosting.engines.errors import GiveUp, TryLater
from hosting.engines.memory.world import Container, World
from hosting.engines.observed import ContainerState, RunResult

# What a command does, by instance, service and words.
RunCommand = Callable[[str, str, tuple[str, ...]], RunResult]
ReadCommand = Callable[[str, str, tuple[str, ...]], Iterable[bytes]]
FeedCommand = Callable[[str, str, tuple[str, ...], bytes], RunResult]


def succeed(instance: str, service: str, command: tuple[str, ...]) -> RunResult:
    """A ``RunCommand`` that is content and says nothing."""
    return RunResult(exit_code=0, output="")


def say_nothing(instance: str, service: str, command: tuple[str, ...]) -> Iterable[bytes]:
    """A ``ReadCommand`` whose output is empty."""
    return ()


def swallow(instance: str, service: str, command: tuple[str, ...], fed: bytes) -> RunResult:
    """A ``FeedCommand`` that is content with whatever it is fed."""
    return RunResult(exit_code=0, output="")


def refuse_still(world: World, instance: str, service: str) -> None:
    """Raise where no command can run."""
    container = world.container(instance, service)
    if container is None:
        raise GiveUp(f"the service {service} has no container on the server")
    if not container.is_running:
        is_paused = container.state is ContainerState.PAUSED
        state = "paused" if is_paused else "not running"
        raise TryLater(f"the service {service} is {state}")


def present(world: World, instance: str, service: str) -> Container:
    """The service's container, or ``TryLater``."""
    container = world.container(instance, service)
    if container is None:
        raise TryLater(f"the service {service} has no container on the server just now")
    return container
