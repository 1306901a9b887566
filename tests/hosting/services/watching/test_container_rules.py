"""Which containers are well, and the words for those that are not."""

from __future__ import annotations

import pytest

from hosting.engines.observed import ContainerState, Health, Standing
from hosting.models.container_health import FAULTY_STATES, LONGEST_FAULTS, UNHEALTHY
from hosting.services.watching import container_rules
from hosting.services.watching.container_rules import Fault

_State = ContainerState


def seen(
    state: ContainerState,
    *,
    service: str = "web",
    health: Health = Health.NONE,
    spec: str = "s",
    code: int | None = None,
) -> Standing:
    return Standing(service, state, health, spec, code)


@pytest.mark.parametrize(
    ("standings", "told"),
    [
        ([seen(_State.RUNNING)], ""),
        ([seen(_State.RUNNING, health=Health.HEALTHY)], ""),
        ([seen(_State.RUNNING, health=Health.STARTING)], ""),
        ([seen(_State.RUNNING, health=Health.UNHEALTHY)], "web is unhealthy"),
        ([seen(_State.EXITED, code=3)], "web exited (3)"),
        ([seen(_State.RESTARTING, code=1)], "web restarts again and again (1)"),
        ([seen(_State.PAUSED)], "web is paused"),
        ([seen(_State.CREATED)], "web was never started"),
        ([seen(_State.MISSING)], "web has no container"),
        ([], "web has no container"),
        ([seen(_State.RUNNING, service="other")], "web has no container"),
        # Of two the one that fits is the service; one that hands made is the reconciler's matter.
        ([seen(_State.EXITED, spec="old"), seen(_State.RUNNING)], ""),
        ([seen(_State.RUNNING, spec="old"), seen(_State.EXITED, code=0)], "web exited (0)"),
        ([seen(_State.RUNNING, spec="old")], ""),
    ],
)
def test_what_is_wrong_with_a_container(standings: list[Standing], told: str) -> None:
    found = container_rules.faults({"web": "s"}, standings)
    assert container_rules.spoken(found, ()) == told


def test_want_of_memory_is_said_of_one_that_ended() -> None:
    found = (Fault("worker", _State.EXITED, 137), Fault("web", _State.PAUSED))
    said = container_rules.spoken(found, {"worker", "web"})
    assert said == "worker exited (137, out of memory), web is paused"


def test_an_unhealthy_one_runs() -> None:
    found = (Fault("web", _State.RUNNING), Fault("db", _State.EXITED, 1))
    assert container_rules.running({"web", "db", "cache"}, found) == 2


def test_many_faults_fit_the_column() -> None:
    found = tuple(Fault(f"service-{number}", _State.EXITED, 137) for number in range(40))
    said = container_rules.spoken(found, ())
    assert len(said) == LONGEST_FAULTS
    assert said.endswith(" …")


def test_states_are_counted_and_an_unhealthy_one_is_told_apart() -> None:
    services = {"web": _State.RUNNING, "db": _State.EXITED, "worker": _State.EXITED}
    found = tuple(Fault(name, state) for name, state in services.items())
    assert container_rules.states(found) == {UNHEALTHY: 1, "exited": 2}
    assert set(FAULTY_STATES) == {UNHEALTHY, *_State} - {_State.RUNNING}
