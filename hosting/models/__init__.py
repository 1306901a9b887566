"""Tables of what runs: plans, servers, instances, operations, the edge."""

from hosting.models.edge import EdgeState
from hosting.models.instance import Hostname, Instance, InstanceSecret
from hosting.models.operation import ACTIVE_STATES, Operation, OperationStep
from hosting.models.plan import Plan
from hosting.models.server import Server, Subnet

__all__ = [
    "ACTIVE_STATES",
    "EdgeState",
    "Hostname",
    "Instance",
    "InstanceSecret",
    "Operation",
    "OperationStep",
    "Plan",
    "Server",
    "Subnet",
]
