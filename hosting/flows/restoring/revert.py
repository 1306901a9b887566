"""Going back to the data of before a restore or an upgrade, while it is kept."""

from __future__ import annotations

from datetime import timedelta

from hosting.flows.base import Flow, Step, Work
from hosting.flows.running import edge, firewall, generations, stack
from hosting.models import Operation


def look(work: Work) -> None:
    """See that the data of before is there, before anything is stopped."""
    work.stand_on(generations.way_of(work).goal)
    stack.guard_data(work)
    work.report("the data of before is there")


REVERT = Flow(
    kind=Operation.Kind.REVERT,
    steps=(
        Step("look", "See that the data of before is there", look, timedelta(minutes=1)),
        Step("hold", "Hold requests", edge.hold, timedelta(minutes=2)),
        Step("stop", "Stop the services", stack.stop, timedelta(minutes=5)),
        Step("protect", "Close the way to the host", firewall.protect, timedelta(minutes=1)),
        Step("start", "Start the services", generations.start, timedelta(minutes=10)),
        Step("ready", "Wait until the app is ready", generations.wait_ready, timedelta(minutes=10)),
        Step("switch", "Switch to the data of before", generations.switch, timedelta(minutes=1)),
        Step("publish", "Publish the address", generations.publish, timedelta(minutes=2)),
        Step("verify", "Open the app through its address", generations.verify),
    ),
    succeeded_as=generations.state_after,
    failed_as=None,
    undo=generations.UNDO,
    undo_from="hold",
    undone=generations.undone,
)
