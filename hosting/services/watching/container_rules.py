"""Whether an instance's containers are well, and what is wrong with which. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hosting.engines.observed import ContainerState, Health, Standing
from hosting.models.container_health import LONGEST_FAULTS, UNHEALTHY

OUT_OF_MEMORY = "out of memory"
_WORDS = {
    ContainerState.CREATED: "was never started",
    ContainerState.RESTARTING: "restarts again and again",
    ContainerState.PAUSED: "is paused",
    ContainerState.EXITED: "exited",
    ContainerState.MISSING: "has no container",
}
_ENDED = (ContainerState.EXITED, ContainerState.RESTARTING)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one service's container."""

    service: str
    state: ContainerState
    exit_code: int | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it stopped by itself or for want of memory, as far as its state tells."""
        return self.state in _ENDED


def faults(expected: Mapping[str, str], seen: Iterable[Standing]) -> tuple[Fault, ...]:
    """What is wrong, by service: ``expected`` has the spec hash of each that is to run.

    One that starts is well, until its health check says otherwise. What the instance is not to
    have is the reconciler's matter.
    """
    by_name: dict[str, list[Standing]] = {}
    for each in seen:
        by_name.setdefault(each.service, []).append(each)
    found = (
        _fault(name, _the_one(by_name.get(name, ()), spec))
        for name, spec in sorted(expected.items())
    )
    return tuple(each for each in found if each is not None)


def running(expected: Collection[str], found: Sequence[Fault]) -> int:
    """How many of them run; one that is unhealthy does."""
    return len(expected) - sum(each.state is not ContainerState.RUNNING for each in found)


def states(found: Sequence[Fault]) -> dict[str, int]:
    """How many are in which state; one that runs, and yet is not well, is unhealthy."""
    return dict(Counter(_state(each) for each in found))


def spoken(found: Sequence[Fault], out_of_memory: Collection[str]) -> str:
    """For a page: "db is paused, worker exited (137, out of memory)"; empty where all is well."""
    text = ", ".join(_spoken(each, each.service in out_of_memory) for each in found)
    return text if len(text) <= LONGEST_FAULTS else f"{text[: LONGEST_FAULTS - 2]} …"


def _the_one(seen: Sequence[Standing], spec: str) -> Standing | None:
    """Where there are several, the one that fits is the service, as it is for the engine."""
    return min(seen, key=lambda each: each.spec_hash != spec, default=None)


def _fault(service: str, seen: Standing | None) -> Fault | None:
    if seen is None:
        return Fault(service, ContainerState.MISSING)
    if seen.state is ContainerState.RUNNING and seen.health is not Health.UNHEALTHY:
        return None
    return Fault(service, seen.state, seen.exit_code)


def _state(fault: Fault) -> str:
    return UNHEALTHY if fault.state is ContainerState.RUNNING else fault.state.value


def _spoken(fault: Fault, is_out_of_memory: bool) -> str:
    if fault.state is ContainerState.RUNNING:
        return f"{fault.service} is unhealthy"
    known = [str(fault.exit_code)] if fault.exit_code is not None else []
    known += [OUT_OF_MEMORY] if is_out_of_memory and fault.has_ended else []
    return f"{fault.service} {_WORDS[fault.state]}" + (f" ({', '.join(known)})" if known else "")
