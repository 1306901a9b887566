"""Upgrades in the admin: rehearsed, given to all in waves, and what came of them."""
