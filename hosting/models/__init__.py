"""Tables of what runs: plans, servers, instances, operations, the edge, and what went wrong."""

from hosting.models.backup import Backup, BackupStore
from hosting.models.chore import Chore
from hosting.models.edge import EdgeState
from hosting.models.fleet import FleetAction, FleetActionItem
from hosting.models.incident import Drift, Incident
from hosting.models.instance import Hostname, Instance, InstanceSecret
from hosting.models.journal import Journal, JournalBase, JournalChapter, JournalPiece
from hosting.models.operation import ACTIVE_STATES, Operation, OperationStep
from hosting.models.plan import Plan
from hosting.models.restore import Restore
from hosting.models.restore_test import RestoreTest
from hosting.models.server import Server, Subnet
from hosting.models.stray import Stray

__all__ = [
    "ACTIVE_STATES",
    "Backup",
    "BackupStore",
    "Chore",
    "Drift",
    "EdgeState",
    "FleetAction",
    "FleetActionItem",
    "Hostname",
    "Incident",
    "Instance",
    "InstanceSecret",
    "Journal",
    "JournalBase",
    "JournalChapter",
    "JournalPiece",
    "Operation",
    "OperationStep",
    "Plan",
    "Restore",
    "RestoreTest",
    "Server",
    "Stray",
    "Subnet",
]
