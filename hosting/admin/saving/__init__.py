"""Backups, restores and their tests in the admin, and clones made of them."""
