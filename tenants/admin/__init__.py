"""The staff's pages about clients and access."""

from tenants.admin import audit, clients, groups, login, members, own_password, users

__all__ = ["audit", "clients", "groups", "login", "members", "own_password", "users"]
