"""Who: users, clients, members, data keys and the audit log."""
