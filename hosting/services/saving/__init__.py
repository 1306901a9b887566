"""Backups and journals: made, kept, proven, copied, brought back."""
