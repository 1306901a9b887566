"""The staff's pages about what runs."""

from hosting.admin import (
    chores,
    clients,
    fleet,
    incidents,
    instances,
    network,
    operations,
    plans,
    servers,
    strays,
)

__all__ = [
    "chores",
    "clients",
    "fleet",
    "incidents",
    "instances",
    "network",
    "operations",
    "plans",
    "servers",
    "strays",
]
