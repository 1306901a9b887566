"""Histories: what people, workers, the engine and accidents may do, in any order.

``Histories`` is a state machine for Hypothesis. Everything in it is Berth's own code on a real
PostgreSQL; the memory engine is the server. Each history runs in one transaction that is rolled
back, so that thousands of them take minutes. ``truth`` says what must hold after every rule.
"""

from __future__ import annotations

import sys
from datetime import timedelta

from django.db import connection
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from hosting.engines.observed import ObjectKind
from hosting.flows.watching import reconcile
from hosting.flows.working import periodic, runner
from hosting.models import Server
from hosting.services import servers
from tests.hosting.flows.histories.people import refused_with
from tests.hosting.flows.histories.player import SOME
from tests.hosting.flows.histories.stage import LEASE
from tests.hosting.flows.histories.truth import Facts, check_settled
from tests.hosting.flows.histories.workers import Workers

ROUNDS_TO_SETTLE = 12
SPANS = st.sampled_from([timedelta(seconds=15), timedelta(minutes=10), timedelta(hours=25)])


class Histories(Workers):
    """One server, up to ``most_instances``, and everything that may happen to them."""

    def teardown(self) -> None:
        """Let everything come to rest and look at what is left, then forget all of it."""
        is_whole = sys.exc_info()[0] is None
        try:
            if is_whole:
                self._settle()
                check_settled(self.stage, Facts.read(self.stage))
                connection.check_constraints()
                self.stage.tally["histories"] += 1
        finally:
            super().teardown()

    @rule(span=SPANS, is_broker_empty=st.booleans())
    def time_passes(self, span: timedelta, is_broker_empty: bool) -> None:
        """A while later; the broker may have lost its memory."""
        self.stage.let_pass(span)
        if is_broker_empty:
            self.stage.bells.clear()

    @rule(is_later=st.booleans())
    def reconcile(self, is_later: bool) -> None:
        if is_later:
            self.stage.let_pass(timedelta(seconds=15))
        reconcile.whole(self.stage.server())

    @rule(is_away=st.booleans(), is_slow=st.booleans())
    def break_or_mend(self, is_away: bool, is_slow: bool) -> None:
        """The engine does not answer, or answers again; the app can be used, or can't."""
        self.stage.engine.faults.is_unavailable = is_away
        self.stage.engine.faults.unready_services = {"web"} if is_slow else set()

    @rule(
        which=SOME,
        deed=st.sampled_from(
            [
                "kill",
                "oom",
                "remove",
                "rename",
                "unhealthy",
                "start",
                "limits",
                "policy",
                "network",
                "disconnect",
            ]
        ),
    )
    @precondition(lambda self: self.facts.instances)
    def meddle(self, which: int, deed: str) -> None:
        """Somebody changes something on the server by hand."""
        label = str(self.facts.pick(which).pk)
        self.stage.meddle(label, deed)

    @rule(which=SOME, kind=st.sampled_from(ObjectKind), is_known=st.booleans())
    @precondition(lambda self: self.made_aliens < 3)
    def alien(self, which: int, kind: ObjectKind, is_known: bool) -> None:
        """Something turns up with Berth's labels that Berth did not make."""
        self.made_aliens += 1
        living = [str(each.pk) for each in self.facts.instances if each.state != "deleted"]
        label = living[which % len(living)] if is_known and living else "nobody"
        self.stage.add_alien(kind, f"alien-{self.made_aliens}", label)

    def _settle(self) -> None:
        """Everything answers again, time passes, and Berth does what it does by itself."""
        stage = self.stage
        stage.repair()
        least = 1 if self.made_aliens else 0  # a stray is stopped in the second round that sees it
        for number in range(ROUNDS_TO_SETTLE):
            stage.let_pass(timedelta(minutes=31) + LEASE)
            self._reopen()
            stage.bells.clear()  # nobody rang, or nobody heard
            periodic.sweep()
            while stage.bells:
                runner.run(stage.bells.pop(0))
                stage.ring_bells()
            self.holds()
            stage.let_pass(timedelta(minutes=31))
            seen = reconcile.whole(stage.server())
            self.holds()
            if number >= least and seen and not seen.drifted and self.facts.is_quiet:
                return
        raise AssertionError(f"it does not come to rest: {self.facts.operations[-3:]}")

    def _reopen(self) -> None:
        if self.facts.availability != Server.Availability.OPEN:
            server = self.stage.server()
            refused = refused_with(lambda: servers.reopen(server=server, actor=self.stage.person))
            assert refused is None or "has not ended yet" in refused, refused
