"""What every part of a history's state machine has: the stage, and what was last seen there."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from hosting.services.working import leases
from tests.hosting.flows.histories.stage import Stage
from tests.hosting.flows.histories.truth import Facts, check

SOME = st.integers(0, 11)


class Player(RuleBasedStateMachine):
    """One history, in a transaction that ``teardown`` rolls back."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self.dead: list[leases.Lease] = []
        self.ordered = 0
        self.made_aliens = 0
        self.facts = Facts((), "open", is_silent=False, instances=(), operations=())
        self._transaction = transaction.atomic()
        self._transaction.__enter__()

    def teardown(self) -> None:
        """Forget everything."""
        transaction.set_rollback(True)
        self._transaction.__exit__(None, None, None)

    @invariant()
    def holds(self) -> None:
        self.stage.tally["looks"] += 1
        self.stage.ring_bells()
        now = Facts.read(self.stage)
        check(self.stage, self.facts, now)
        self.facts = now

    def everything(self) -> tuple[Any, Any]:
        return Facts.read(self.stage).rows, self.stage.objects()
