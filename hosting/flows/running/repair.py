"""Putting right an instance that is not as it should be. Asked for by the reconciler."""

from __future__ import annotations

from datetime import timedelta

from hosting.engines.observed import ContainerState, Health, ObservedService
from hosting.flows.base import Flow, Step, Work
from hosting.flows.running import edge, firewall, stack
from hosting.models import Instance, Operation


def revive(work: Work) -> None:
    """Restart what runs but is not healthy: the engine itself never does.

    Not what is paused, which the engine calls unhealthy, too: it is only resumed.
    """
    wanted = {service.name for service in work.stack.services}
    seen = work.engine.observe(str(work.instance.pk)).services
    sick = [each.name for each in seen if _is_sick(each) and each.name in wanted]
    hanging = [name for name in sick if not work.engine.is_ready(work.stack, name)]
    for name in hanging:
        work.engine.restart(work.stack, name, report=work.report)
    if not hanging:
        work.report("nothing has to be restarted")


def _is_sick(seen: ObservedService) -> bool:
    return seen.state is ContainerState.RUNNING and seen.health is Health.UNHEALTHY


REPAIR = Flow(
    kind=Operation.Kind.REPAIR,
    steps=(
        Step("look", "See that its data is there", stack.guard_data, timedelta(minutes=1)),
        Step("pull", "Fetch the images", stack.pull, timedelta(minutes=20)),
        Step("protect", "Close the way to the host", firewall.protect, timedelta(minutes=1)),
        Step("revive", "Restart what is not healthy", revive, timedelta(minutes=5)),
        Step("start", "Start what is missing", stack.apply, timedelta(minutes=10)),
        Step("ready", "Wait until the app is ready", stack.wait_ready, timedelta(minutes=10)),
        Step("publish", "Publish the address", edge.route, timedelta(minutes=2)),
        Step("verify", "Open the app through its address", edge.verify, timedelta(minutes=2)),
    ),
    succeeded_as=Instance.State.RUNNING,
    failed_as=Instance.State.DEGRADED,
)
