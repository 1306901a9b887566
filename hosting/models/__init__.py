"""Tables of what runs: plans, servers, instances, operations, the edge, and what went wrong."""

from hosting.models.backup import Backup, BackupStore
from hosting.models.chore import Chore
from hosting.models.container_health import ContainerHealth, ContainerLook
from hosting.models.edge import EdgeState
from hosting.models.fleet import FleetAction, FleetActionItem
from hosting.models.footing import Footing
from hosting.models.health import (
    Excuse,
    Health,
    HealthDay,
    HealthMark,
    HealthSlot,
    MaintenanceWindow,
    Probe,
)
from hosting.models.hostname import Hostname
from hosting.models.incident import Drift, Incident, IncidentEvent
from hosting.models.instance import Instance
from hosting.models.instance_secret import InstanceSecret
from hosting.models.journal import Journal, JournalBase, JournalChapter, JournalPiece
from hosting.models.move import Move
from hosting.models.notification import (
    CHOSEN_TOPICS,
    Channel,
    Delivery,
    Notification,
    Severity,
    Topic,
)
from hosting.models.operation import ACTIVE_STATES, Operation, OperationStep
from hosting.models.plan import Plan
from hosting.models.rehearsal import Rehearsal
from hosting.models.restore import Restore
from hosting.models.restore_test import RestoreTest
from hosting.models.rollout import AT_WORK, Rollout, RolloutItem
from hosting.models.sample import (
    Crash,
    DirtyQuarter,
    LimitWarning,
    ResourceDay,
    ResourceNow,
    ResourceQuarter,
    Sample,
    VolumeSample,
)
from hosting.models.second_place import SecondPlace
from hosting.models.server import Server, Subnet
from hosting.models.stray import Stray
from hosting.models.trial import Trial
from hosting.models.upgrade import Upgrade
from hosting.models.usage import (
    UsageCounter,
    UsageEvent,
    UsageKey,
    UsageMark,
    UsageSubject,
    UsageSum,
    UsageToken,
)
from hosting.models.usage_limit import LimitReached, UsageHold, UsageLimit

__all__ = [
    "ACTIVE_STATES",
    "AT_WORK",
    "CHOSEN_TOPICS",
    "Backup",
    "BackupStore",
    "Channel",
    "Chore",
    "ContainerHealth",
    "ContainerLook",
    "Crash",
    "Delivery",
    "DirtyQuarter",
    "Drift",
    "EdgeState",
    "Excuse",
    "FleetAction",
    "FleetActionItem",
    "Footing",
    "Health",
    "HealthDay",
    "HealthMark",
    "HealthSlot",
    "Hostname",
    "Incident",
    "IncidentEvent",
    "Instance",
    "InstanceSecret",
    "Journal",
    "JournalBase",
    "JournalChapter",
    "JournalPiece",
    "LimitReached",
    "LimitWarning",
    "MaintenanceWindow",
    "Move",
    "Notification",
    "Operation",
    "OperationStep",
    "Plan",
    "Probe",
    "Rehearsal",
    "ResourceDay",
    "ResourceNow",
    "ResourceQuarter",
    "Restore",
    "RestoreTest",
    "Rollout",
    "RolloutItem",
    "Sample",
    "SecondPlace",
    "Server",
    "Severity",
    "Stray",
    "Subnet",
    "Topic",
    "Trial",
    "Upgrade",
    "UsageCounter",
    "UsageEvent",
    "UsageHold",
    "UsageKey",
    "UsageLimit",
    "UsageMark",
    "UsageSubject",
    "UsageSum",
    "UsageToken",
    "VolumeSample",
]
