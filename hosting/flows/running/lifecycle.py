"""Starting, stopping and restarting an instance that exists."""

from __future__ import annotations

from datetime import timedelta

from hosting.flows.base import Flow, Step
from hosting.flows.running import edge, firewall, stack
from hosting.models import Instance, Operation

_UP = (
    Step("protect", "Close the way to the host", firewall.protect, timedelta(minutes=1)),
    Step("start", "Start the services", stack.apply, timedelta(minutes=10)),
    Step("ready", "Wait until the app is ready", stack.wait_ready, timedelta(minutes=10)),
    Step("publish", "Publish the address", edge.route, timedelta(minutes=2)),
    Step("verify", "Open the app through its address", edge.verify, timedelta(minutes=2)),
)

START = Flow(kind=Operation.Kind.START, steps=_UP, succeeded_as=Instance.State.RUNNING)

STOP = Flow(
    kind=Operation.Kind.STOP,
    steps=(
        Step("unpublish", "Take the address away", edge.unroute, timedelta(minutes=2)),
        Step("stop", "Stop the services", stack.stop, timedelta(minutes=5)),
    ),
    succeeded_as=Instance.State.STOPPED,
)

RESTART = Flow(
    kind=Operation.Kind.RESTART,
    steps=(
        Step("hold", "Hold requests", edge.hold, timedelta(minutes=2)),
        Step("stop", "Stop the services", stack.stop, timedelta(minutes=5)),
        *_UP,
    ),
    succeeded_as=Instance.State.RUNNING,
)
