"""The staff's pages about what runs."""

from hosting.admin import clients, instances, network, operations, plans, servers

__all__ = ["clients", "instances", "network", "operations", "plans", "servers"]
