"""Whom Berth tells what, and where that may go."""
