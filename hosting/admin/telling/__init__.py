"""Channels in the admin, and the log of what was sent."""
