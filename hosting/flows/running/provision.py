"""Bringing an instance up for the first time, or again after that failed."""

from __future__ import annotations

from datetime import timedelta

from hosting.flows.base import Flow, Step
from hosting.flows.running import edge, firewall, preflight, stack
from hosting.models import Instance, Operation

PROVISION = Flow(
    kind=Operation.Kind.PROVISION,
    steps=(
        Step("room", "See that the server has room", preflight.room, timedelta(minutes=1)),
        Step("pull", "Fetch the images", stack.pull, timedelta(minutes=20)),
        Step("protect", "Close the way to the host", firewall.protect, timedelta(minutes=1)),
        Step("prepare", "Create networks and volumes", stack.prepare, timedelta(minutes=2)),
        Step("start", "Start the services", stack.apply, timedelta(minutes=10)),
        Step("ready", "Wait until the app is ready", stack.wait_ready, timedelta(minutes=10)),
        Step("publish", "Publish the address", edge.route, timedelta(minutes=2)),
        Step("verify", "Open the app through its address", edge.verify, timedelta(minutes=2)),
    ),
    succeeded_as=Instance.State.RUNNING,
)
