"""Removing an instance, proven by what the engine shows."""

from __future__ import annotations

from datetime import timedelta

from hosting.flows.base import Flow, Step
from hosting.flows.running import edge, stack
from hosting.models import Instance, Operation

DELETE = Flow(
    kind=Operation.Kind.DELETE,
    steps=(
        Step("unpublish", "Take the address away", edge.unroute, timedelta(minutes=2)),
        Step(
            "remove", "Remove containers, networks and volumes", stack.remove, timedelta(minutes=5)
        ),
        Step("prove", "See that nothing is left", stack.prove_gone, timedelta(minutes=1)),
        Step("release", "Give back its name, room and keys", stack.release, timedelta(minutes=1)),
    ),
    succeeded_as=Instance.State.DELETED,
    gives_up=False,  # an accepted deletion stays pending until the engine shows nothing of it
)
