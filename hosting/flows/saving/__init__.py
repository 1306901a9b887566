"""Saving what instances hold: backups and journals, proven, copied to a second place, let go."""
