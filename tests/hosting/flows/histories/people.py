"""What people do in a history: order, ask for changes, call off, maintain the server."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from hosting.models import Instance, Operation, Server
from hosting.services import instances, servers
from hosting.services.working import operations
from tenants.errors import Refused
from tests.hosting.flows.histories.player import SOME, Player
from tests.hosting.flows.histories.truth import refusal, server_refusal

VERBS: dict[str, Callable[..., Operation]] = {
    "start": instances.start,
    "stop": instances.stop,
    "restart": instances.restart,
    "provision": instances.retry,
    "delete": lambda *, instance, actor: instances.delete(
        instance=instance, confirmation=instance.name, actor=actor
    ),
}


class People(Player):
    """Whatever they ask for is done, or refused for a documented reason."""

    most_instances = 1

    @initialize(runs=st.booleans())
    def begin(self, runs: bool) -> None:
        """With an instance that runs already, or one that was just ordered."""
        self.stage.begin(runs=runs)
        if runs:
            self.ordered = 1
        else:
            self.order()

    @rule()
    @precondition(lambda self: self.ordered < self.most_instances)
    def order(self) -> None:
        self.ordered += 1
        self._ask(server_refusal(self.facts), lambda: self.stage.order(f"book-{self.ordered}"))

    @rule(which=SOME, verb=SOME)
    @precondition(lambda self: self.facts.instances)
    def ask_for_what_is_possible(self, which: int, verb: int) -> None:
        """A person presses a button that the page offers."""
        fact = self.facts.pick(which)
        possible = [each for each in VERBS if refusal(self.facts, fact, each) is None]
        if possible:
            self.ask(which, possible[verb % len(possible)])

    @rule(which=SOME, verb=st.sampled_from(sorted(VERBS)))
    @precondition(lambda self: self.facts.instances)
    def ask(self, which: int, verb: str) -> None:
        """A person asks for a change; it is refused for the documented reasons, and no other."""
        fact = self.facts.pick(which)
        instance = Instance.objects.get(pk=fact.pk)
        ask = VERBS[verb]
        self._ask(
            refusal(self.facts, fact, verb), lambda: ask(instance=instance, actor=self.stage.person)
        )

    @rule(which=SOME)
    @precondition(lambda self: self.facts.operations)
    def cancel(self, which: int) -> None:
        fact = self.facts.operations[-1 - which % len(self.facts.operations)]
        expected = None
        if not fact.is_active:
            expected = "has ended already"
        elif fact.kind == "delete":
            expected = "can't be called off"
        self._ask(
            expected,
            lambda: operations.cancel(operation_id=fact.pk, actor=self.stage.person),
        )

    @rule(verb=st.sampled_from([servers.cordon, servers.drain, servers.reopen]))
    def maintain(self, verb: Callable[..., object]) -> None:
        """Staff cordon, drain or reopen the server."""
        server = self.stage.server()
        availability = {
            "cordon": Server.Availability.CORDONED,
            "drain": Server.Availability.DRAINING,
            "reopen": Server.Availability.OPEN,
        }[verb.__name__]
        is_draining = self.facts.availability == Server.Availability.DRAINING
        refused = refused_with(lambda: verb(server=server, actor=self.stage.person))
        if refused is not None:
            waits = server.fleet_actions.filter(state="running").exists()
            assert (
                (waits and "has not ended yet" in refused)
                or (is_draining and "Open it first" in refused)
                or self.facts.availability == availability
            ), refused

    def _ask(self, expected: str | None, ask: Callable[[], object]) -> None:
        refused = refused_with(ask)
        if refused is None:
            assert expected is None, f"should have been refused: {expected}"
        else:
            assert expected, f"refused without need: {refused}"
            assert expected in refused


def refused_with(ask: Callable[[], object]) -> str | None:
    try:
        ask()
    except Refused as refused:
        return str(refused)
    return None
