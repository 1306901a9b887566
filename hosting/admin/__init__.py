"""The staff's pages about what runs."""

from hosting.admin import clients, instances, network, plans, servers, strays
from hosting.admin.measuring import limit_warnings
from hosting.admin.saving import backups, restore_tests, restores
from hosting.admin.telling import channels
from hosting.admin.upgrading import rehearsals, rollouts, upgrades
from hosting.admin.watching import incidents, maintenance_windows
from hosting.admin.working import chores, fleet, operations

__all__ = [
    "backups",
    "channels",
    "chores",
    "clients",
    "fleet",
    "incidents",
    "instances",
    "limit_warnings",
    "maintenance_windows",
    "network",
    "operations",
    "plans",
    "rehearsals",
    "restore_tests",
    "restores",
    "rollouts",
    "servers",
    "strays",
    "upgrades",
]
