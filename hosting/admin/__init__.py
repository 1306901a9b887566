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
    restore_tests,
    restores,
    servers,
    strays,
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
    "restore_tests",
    "restores",
    "servers",
    "strays",
]
