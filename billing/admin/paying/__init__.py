"""Payments in the admin: by bank, online, and where they do not come."""
