"""The staff's pages about what runs."""

from hosting.admin import (
    backups,
    chores,
    clients,
    fleet,
    incidents,
    instances,
    network,
    operations,
    plans,
    rehearsals,
    restore_tests,
    restores,
    rollouts,
    servers,
    strays,
    upgrades,
)

__all__ = [
    "backups",
    "chores",
    "clients",
    "fleet",
    "incidents",
    "instances",
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
